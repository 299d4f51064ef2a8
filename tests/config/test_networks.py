"""Networks: what is in them, and what is wrong with entries that are none."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastserver import ConfigError
from fastserver.config.networks import Networks, ip_of


@pytest.mark.parametrize(
    ("entries", "inside", "outside"),
    [
        (["10.0.0.0/8"], ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "9.255.255.255", "::a00:1"]),
        (["192.0.2.1"], ["192.0.2.1", "::ffff:192.0.2.1"], ["192.0.2.2"]),
        (["::ffff:192.0.2.0/120"], ["192.0.2.255"], ["192.0.3.0"]),
        (["2001:db8::/32", "10.0.0.1"], ["2001:db8:1::1", "10.0.0.1"], ["2001:db9::", "10.0.0.2"]),
        (["fe80::/10"], ["fe80::1%eth0"], ["fec0::%eth0"]),
        (["fe80::1%eth0"], ["fe80::1%eth0"], ["fe80::1%eth1", "fe80::1", "fe80::2%eth0"]),
        (["fe80::%eth0/64", "fe80::3"], ["fe80::1%eth0", "fe80::3%eth1"], ["fe80::1%eth1", "fe80:0:0:1::1%eth0"]),
        (["0.0.0.0/0"], ["1.2.3.4", "::ffff:1.2.3.4"], ["::1"]),
        (["::/0"], ["::1"], ["1.2.3.4"]),
        ([], [], ["1.2.3.4", "::1"]),
    ],
)
def test_what_is_in_them(entries: list[str], inside: list[str], outside: list[str]) -> None:
    networks = Networks(entries)
    assert bool(networks) is bool(entries)
    assert [host for host in inside if ip_of(host) not in networks] == []
    assert [host for host in outside if ip_of(host) in networks] == []


@given(st.lists(st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), max_size=5), st.ip_addresses(v=4))
def test_same_as_the_standard_library(entries: list[tuple[object, int]], ip: object) -> None:
    networks = [ip_network(f"{address}/{length}", strict=False) for address, length in entries]
    found = ip_address(str(ip)) in Networks([str(network) for network in networks])
    assert found == any(ip_address(str(ip)) in network for network in networks)


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "blocked.txt"
    path.write_text("# bad ones\n10.0.0.0/8  # a network\n\n  192.0.2.1\n")
    networks = Networks([f"@{path}", "2001:db8::1"])
    assert all(ip_of(host) in networks for host in ("10.1.1.1", "192.0.2.1", "2001:db8::1"))


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "10.0.0.1/8", "example.org", "", "1", "10.0.0.0/8 10.0.0.0/9", "@"])
def test_entry_that_is_none(tmp_path: Path, entry: str) -> None:
    with pytest.raises(ConfigError):
        Networks([entry])
    if entry:
        path = tmp_path / "blocked.txt"
        path.write_text(f"10.0.0.1\n#\n{entry}\n")
        with pytest.raises(ConfigError, match="line 3: ") as caught:
            Networks([f"@{path}"])
        assert str(caught.value).startswith(f"{path}, line 3: {entry!r} ")


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing: no such file or directory"):
        Networks([f"@{tmp_path}/missing"])
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\n")
    with pytest.raises(ConfigError, match="binary, line 1: "):
        Networks([f"@{path}"])
