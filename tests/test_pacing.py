"""Pacing: who is waited for, who waits, and for how long."""

from __future__ import annotations

from simulation import Simulation, Transport

from fastserver.pacing import INTERVAL, STUCK
from fastserver.peer import Peer

LIMIT = 1024 * 1024
CHUNK = b"x" * 99_999 + b"\n"


def begin() -> tuple[Simulation, tuple[Peer, Transport], tuple[Peer, Transport]]:
    """A simulation, a sender, and a reader that takes nothing yet."""
    simulation = Simulation(max_pending=LIMIT, log_messages=0, message_timeout=None)
    return simulation, simulation.connect(), simulation.connect(room=0)


def send(simulation: Simulation, peer: Peer, chunks: int) -> None:
    for _ in range(chunks):
        peer.data_received(CHUNK)
        simulation.loop.tick()
        simulation.loop.advance(INTERVAL)


def test_a_sender_is_read_once_in_an_interval_while_someone_is_behind_but_taking() -> None:
    simulation, (sender, sending), (slow, reading) = begin()
    send(simulation, sender, 2)
    assert not simulation.server.pacing.active  # less than a quarter of the limit
    send(simulation, sender, 2)
    assert simulation.server.pacing.active
    for _ in range(20):
        sender.data_received(CHUNK)
        assert not sending.reading
        simulation.loop.tick()
        assert not sending.reading
        reading.give_room(100_000)
        simulation.loop.advance(INTERVAL)
        assert sending.reading
    assert slow.figures().dropped_messages == 0
    reading.give_room(1 << 40)
    simulation.loop.advance(INTERVAL)
    assert not simulation.server.pacing.active
    sender.data_received(CHUNK)
    assert sending.reading
    simulation.loop.tick()
    assert bytes(reading.sent) == CHUNK * 25


def test_one_that_takes_nothing_for_a_second_paces_nobody() -> None:
    simulation, (sender, sending), (_stuck, reading) = begin()
    send(simulation, sender, 4)
    assert simulation.server.pacing.active
    simulation.loop.advance(STUCK)
    assert not simulation.server.pacing.active
    sender.data_received(CHUNK)
    assert sending.reading
    simulation.loop.tick()
    simulation.loop.advance(INTERVAL)
    assert not simulation.server.pacing.active
    reading.give_room(150_000)  # it moves again
    sender.data_received(CHUNK)
    simulation.loop.tick()
    sender.data_received(CHUNK)
    assert simulation.server.pacing.active


def test_one_that_is_gone_paces_nobody() -> None:
    simulation, (sender, sending), (_slow, reading) = begin()
    send(simulation, sender, 4)
    sender.data_received(CHUNK)
    assert not sending.reading
    reading.reset()
    simulation.loop.tick()
    simulation.loop.advance(INTERVAL)
    assert sending.reading
    assert not simulation.server.pacing.active


def test_no_timer_runs_when_nobody_is_behind() -> None:
    simulation, (sender, _), (_slow, reading) = begin()
    send(simulation, sender, 4)
    reading.give_room(1 << 40)
    simulation.loop.advance(1.0)
    assert simulation.loop.waiting == 0
