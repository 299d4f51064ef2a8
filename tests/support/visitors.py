"""Peers that come from somewhere, and may be let in or not."""

from __future__ import annotations

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


def takes_place(simulation: Simulation, host: str) -> bool:
    """Whether a new peer from `host` is let in, where another may have to go for it."""
    peer, _ = simulation.connect(host=host)
    simulation.loop.tick()
    return not peer.closed
