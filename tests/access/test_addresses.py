"""Counts by address: what counts as one, and that what is over is forgotten."""

from __future__ import annotations

import pytest

from fastserver import CloseReason
from fastserver.access.addresses import Addresses, origin
from fastserver.config.networks import ip_of


@pytest.mark.parametrize(
    ("host", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:ffff::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1::2", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::2", "2001:db8:0:2::/64"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fe80::1%eth1", "fe80::1%eth1"),
        ("fe80::1", "fe80::1"),
        ("fe80::2%eth0", "fe80::2%eth0"),
    ],
)
def test_origin(host: str, counts_as: str) -> None:
    assert origin(ip_of(host), 64) == counts_as


@pytest.mark.parametrize(
    ("prefix", "counts_as"),
    [
        (16, "2001::/16"),
        (48, "2001:db8:f::/48"),
        (57, "2001:db8:f:a80::/57"),
        (64, "2001:db8:f:abc::/64"),
        (128, "2001:db8:f:abc::1/128"),
    ],
)
def test_prefix_of_an_origin(prefix: int, counts_as: str) -> None:
    assert origin(ip_of("2001:db8:f:abc::1"), prefix) == counts_as
    assert origin(ip_of("192.0.2.1"), prefix) == "192.0.2.1"
    assert origin(ip_of("fe80::1%lan"), prefix) == "fe80::1%lan"


def test_peers() -> None:
    addresses = Addresses(2, None)
    for _ in range(2):
        assert addresses.refusal("a", 10.0) is None
        addresses.add("a", 10.0)
    assert addresses.refusal("a", 99.0) == CloseReason.MAX_PEERS_PER_ADDRESS
    assert addresses.refusal("b", 99.0) is None
    addresses.remove("a")
    assert addresses.refusal("a", 99.0) is None


def test_connects_in_a_second() -> None:
    addresses = Addresses(None, 3)
    for _ in range(3):
        assert addresses.refusal("a", 10.0) is None
        addresses.add("a", 10.0)
        addresses.remove("a")
    assert addresses.refusal("a", 10.9) == CloseReason.MAX_CONNECTS_PER_SECOND
    assert addresses.refusal("b", 10.9) is None
    assert addresses.refusal("a", 11.0) is None


def test_no_second_has_more() -> None:
    """Not the last of one second and the first of the next either."""
    addresses = Addresses(None, 10)
    let_in = []
    for number in range(20_000):
        now = 10.0 + number / 4000
        if addresses.refusal("a", now) is None:
            addresses.add("a", now)
            let_in.append(now)
    assert len(let_in) == 50
    assert all(later - first >= 1.0 for first, later in zip(let_in, let_in[10:], strict=False))


def test_memory_is_bounded() -> None:
    addresses = Addresses(1, 1)
    for number in range(10_000):
        now = 10.0 + number / 100
        assert addresses.refusal(str(number), now) is None
        addresses.add(str(number), now)
        addresses.remove(str(number))
        assert len(addresses) <= 101
    assert addresses.refusal("more", 1000.0) is None
    assert len(addresses) == 0
