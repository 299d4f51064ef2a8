"""Numbered messages, of which a few bring a peer that takes nothing over its limit."""

from __future__ import annotations

from support.simulation import Simulation

from fastserver.peers.peer import Peer

LIMIT = 64 * 1024


def message(number: int, size: int) -> bytes:
    return b"%08d " % number + b"x" * size + b"\n"


def fill(simulation: Simulation, peer: Peer) -> None:
    """Bring who takes nothing over the limit, and have `peer` read once more."""
    for number in range(7):
        peer.data_received(message(number, 9990))
        simulation.loop.tick()
    peer.data_received(b"and rest\n")
    simulation.loop.tick()
