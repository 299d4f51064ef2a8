"""Peers that find a place, or make room for others."""

from __future__ import annotations

from support.simulation import Simulation
from support.visitors import FAR, NEAR, let_in, takes_place


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


def test_descriptors_that_run_out_count_as_refusals() -> None:
    simulation = Simulation(max_peers_per_address=1)
    ceiling, simulation.server.door.ceiling = simulation.server.door.ceiling, -1
    assert not let_in(simulation, FAR)
    assert simulation.server.peers.refused == {"descriptors": 1}
    simulation.server.door.ceiling = ceiling
    assert let_in(simulation, FAR)  # the one refused does not count for its address
