"""Admission: which peers are let in and which are not."""

from __future__ import annotations

from typing import Any

import pytest
from support.simulation import Simulation
from support.visitors import FAR, NEAR, let_in


@pytest.mark.parametrize(
    ("settings", "admitted", "refused"),
    [
        ({"allow": ["192.0.2.0/24"]}, [FAR, "::ffff:192.0.2.7"], [NEAR, "::1"]),
        ({"deny": ["192.0.2.0/24"]}, [NEAR, "::1"], [FAR, "::ffff:192.0.2.7"]),
        ({"allow": ["192.0.2.0/24"], "deny": [FAR]}, ["192.0.2.2"], [FAR, "192.0.3.1"]),
        ({}, [FAR, NEAR, "::1", "fe80::1%eth0"], []),
    ],
)
def test_networks(settings: dict[str, Any], admitted: list[str], refused: list[str]) -> None:
    simulation = Simulation(**settings)
    assert [host for host in admitted if not let_in(simulation, host)] == []
    assert [host for host in refused if let_in(simulation, host)] == []
    assert simulation.server.peers.refused == ({"denied": len(refused)} if refused else {})
    assert simulation.server.peers.accepted == len(admitted)


def test_empty_file_allows_nobody(tmp_path: Any) -> None:
    (tmp_path / "none").write_text("# nobody yet\n")
    assert not let_in(Simulation(allow=[f"@{tmp_path}/none"]), FAR)


def test_peers_in_all() -> None:
    simulation = Simulation(max_peers=2)
    assert [let_in(simulation, host) for host in (FAR, NEAR, "::1")] == [True, True, False]
    next(iter(simulation.server.peers)).abort()
    simulation.loop.tick()
    assert let_in(simulation, "::1")
    assert simulation.server.peers.refused == {"max_peers": 1}


def test_peers_per_address() -> None:
    simulation = Simulation(max_peers_per_address=1)
    hosts = [FAR, FAR, "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    assert [let_in(simulation, host) for host in hosts] == [True, False, True, True, False, True]
    assert simulation.server.peers.refused == {"max_peers_per_address": 2}
    assert let_in(simulation, NEAR)
    assert let_in(simulation, NEAR)  # loopback is exempt
    next(iter(simulation.server.peers)).abort()
    simulation.loop.tick()
    assert let_in(simulation, FAR)


def test_connects_per_second() -> None:
    simulation = Simulation(max_connects_per_second=2)
    assert [let_in(simulation, FAR) for _ in range(3)] == [True, True, False]
    for peer in list(simulation.server.peers):
        peer.abort()
    simulation.loop.tick()
    assert not let_in(simulation, FAR)
    assert let_in(simulation, "192.0.2.2")
    simulation.loop.advance(1.0)
    assert let_in(simulation, FAR)
    assert simulation.server.peers.refused == {"max_connects_per_second": 2}


def test_what_counts_as_one_address() -> None:
    hosts = ["2001:db8::1", "2001:db8:0:ff::1", "fe80::1%a", "fe80::1%b", "fe80::2%a"]
    for prefix, second in (48, False), (64, True):
        simulation = Simulation(max_peers_per_address=1, ipv6_prefix=prefix)
        assert [let_in(simulation, host) for host in hosts] == [True, second, True, True, True]
        assert [let_in(simulation, host) for host in hosts] == [False] * 5


def test_loopback_is_limited_if_asked_for() -> None:
    simulation = Simulation(max_peers_per_address=1, limit_loopback=True)
    assert [let_in(simulation, host) for host in (NEAR, NEAR, "127.0.0.2", "::1", "::1")] == [
        True,
        False,
        True,
        True,
        False,
    ]
