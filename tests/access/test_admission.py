"""Who is let in and who is not."""

from __future__ import annotations

from typing import Any

import pytest
from support.simulation import Simulation

FAR = "192.0.2.1"
NEAR = "127.0.0.1"


def let_in(simulation: Simulation, host: str) -> bool:
    """Whether a new peer from `host` is let in; a refused one is closed at once, and offered nothing."""
    before = len(simulation.server.peers)
    peer, transport = simulation.connect(host=host)
    simulation.loop.tick()
    assert peer.closed == transport.lost == (peer.id not in simulation.server.peers)
    assert not peer.closed or not peer.members
    return len(simulation.server.peers) == before + 1


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


def takes_place(simulation: Simulation, host: str) -> bool:
    """Whether a new peer from `host` is let in, where another may have to go for it."""
    peer, _ = simulation.connect(host=host)
    simulation.loop.tick()
    return not peer.closed


def test_the_longest_half_closed_makes_room() -> None:
    simulation = Simulation(max_peers=3)
    peers = [simulation.connect()[0] for _ in range(3)]
    for peer in (peers[2], peers[0]):
        peer.eof_received()
    assert takes_place(simulation, NEAR)
    assert [peer.reason for peer in peers] == [None, None, "eof"]
    assert takes_place(simulation, NEAR)
    assert [peer.reason for peer in peers] == ["eof", None, "eof"]
    assert not takes_place(simulation, NEAR)
    assert len(simulation.server.peers) == 3
    assert simulation.server.peers.refused == {"max_peers": 1}


def test_the_longest_half_closed_of_an_address_makes_room() -> None:
    simulation = Simulation(max_peers_per_address=2, max_connects_per_second=5)
    other = simulation.connect(host="192.0.2.2")[0]
    peers = [simulation.connect(host=FAR)[0] for _ in range(2)]
    for peer in (other, *peers):
        peer.eof_received()
    assert takes_place(simulation, FAR)
    assert [peer.reason for peer in (other, *peers)] == [None, "eof", None]
    assert takes_place(simulation, FAR)
    assert not takes_place(simulation, FAR)
    simulation.loop.advance(1.0)
    came = []
    for _ in range(6):  # a place is found for as many as may come in a second
        for peer in list(simulation.server.peers):
            if not peer.ended:
                peer.eof_received()
        came.append(takes_place(simulation, FAR))
    assert came == [True] * 5 + [False]
    assert simulation.server.peers.refused == {"max_peers_per_address": 1, "max_connects_per_second": 1}


def test_health_checks_use_up_nothing() -> None:
    """Thousands that connect and close beside one who stays, and each finds its place at once."""
    simulation = Simulation(max_peers=50, max_peers_per_address=20, log_messages=0)
    staying, _ = simulation.connect(host=FAR)
    for number in range(3000):
        peer, _ = simulation.connect(host=FAR if number % 2 else "192.0.2.2")
        assert peer.id
        simulation.loop.tick()
        peer.eof_received()
        assert len(simulation.server.peers) <= 41
    assert not staying.closed
    assert not simulation.server.peers.refused
    for one in list(simulation.server.peers):
        one.abort()
    simulation.loop.tick()
    assert len(simulation.server.door.half_closed) == 0
    assert not simulation.server.door.half_closed._of


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


def test_descriptors_that_run_out_count_as_refusals() -> None:
    simulation = Simulation(max_peers_per_address=1)
    ceiling, simulation.server.door.ceiling = simulation.server.door.ceiling, -1
    assert not let_in(simulation, FAR)
    assert simulation.server.peers.refused == {"descriptors": 1}
    simulation.server.door.ceiling = ceiling
    assert let_in(simulation, FAR)  # the one refused does not count for its address
