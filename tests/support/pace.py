"""Senders without end, and a reader of some pace, on a simulated network."""

from __future__ import annotations

from typing import Any

from support.simulation import Simulation, Transport

from fastserver.limits.trickle import TRICKLE_INTERVAL
from fastserver.peers.peer import Peer

LIMIT = 1024 * 1024

LINE = b"x" * 99 + b"\n"

READ = LINE * 2500

Connection = tuple[Peer, Transport]


def begin(**settings: Any) -> tuple[Simulation, Connection, Connection]:
    """A simulation, a sender, and a reader that takes nothing yet."""
    simulation = Simulation(paced=True, **{"max_pending": LIMIT, "log_messages": 5, "message_timeout": None} | settings)
    return simulation, simulation.connect(), simulation.connect(room=0)


def send(simulation: Simulation, sender: Connection, data: bytes) -> bool:
    """Have the sender's `data` read, if it is read at all now; whether it was."""
    peer, transport = sender
    if not transport.reading:
        return False
    peer.data_received(data)
    simulation.loop.tick()
    return True


def flood(simulation: Simulation, sender: Connection, reads: int = 100, data: bytes = READ) -> int:
    """Have a sender that sends without end read while it is, `reads` times at most; the bytes."""
    sent = 0
    while reads and send(simulation, sender, data):
        reads -= 1
        sent += len(data)
    return sent


def let_pass(simulation: Simulation, seconds: float, *senders: Connection, data: bytes = READ) -> int:
    """Let that time pass while these send as much as is read of them; the bytes."""
    sent = 0
    for _ in range(round(seconds / TRICKLE_INTERVAL)):
        for sender in senders:
            sent += flood(simulation, sender, data=data)
        simulation.loop.advance(TRICKLE_INTERVAL)
    return sent
