"""Messages that wait for a sequencer: how many, and what senders do meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from weakref import ref

import pytest
from support.simulation import Simulation

from fastserver.fanout.sequencer import Piece

LIMIT = 64 * 1024


class Sequencer:
    """Gives pieces back when it is told to."""

    def __init__(self, simulation: Simulation) -> None:
        self.flush = simulation.server.flush
        self.flush.sequencer = self
        self.waiting: list[int] = []

    def submit(self, number: int, pieces: Sequence[Piece]) -> None:
        self.waiting.append(number)

    def give_back(self) -> None:
        """The oldest batch has its turn."""
        self.flush.sequenced(0, self.waiting.pop(0))


@pytest.mark.parametrize("size", [1, 4000])
def test_senders_are_not_read_while_much_waits_for_the_sequencer(size: int) -> None:
    simulation = Simulation(max_pending=LIMIT, log_messages=0)
    sequencer = Sequencer(simulation)
    (one, from_one), (two, from_two), (_, receiver) = (simulation.connect() for _ in range(3))
    message = b"x" * (size - 1) + b"\n"
    sent = 0
    while from_one.reading and sent < 2 * LIMIT:
        one.data_received(message)
        simulation.loop.tick()
        sent += len(message)
    assert not from_one.reading
    assert sent <= LIMIT + size
    two.data_received(message)
    simulation.loop.tick()
    assert not from_two.reading
    while not from_one.reading:
        assert len(receiver.sent) < sent  # something still waits
        sequencer.give_back()
    assert from_two.reading
    assert sequencer.waiting
    while sequencer.waiting:
        sequencer.give_back()
    assert len(receiver.sent) == sent + len(message)
    one.data_received(message)
    assert from_one.reading


def test_tiny_messages_count_with_the_memory_they_take() -> None:
    simulation = Simulation(max_pending=LIMIT, log_messages=0)
    Sequencer(simulation)
    (one, from_one), _ = simulation.connect(), simulation.connect()
    sent = 0
    while from_one.reading and sent < LIMIT:
        one.data_received(b"\n")
        simulation.loop.tick()
        sent += 1
    assert sent < LIMIT // 100


def test_bytes_that_wait_for_the_sequencer_count_as_memory() -> None:
    simulation = Simulation(max_memory=1 << 24, log_messages=0)
    sequencer = Sequencer(simulation)
    one, _ = simulation.connect()
    memory = simulation.server.limits.memory
    assert memory.usage().total == 0
    one.data_received(b"x" * 10_000 + b"\n")
    assert 10_000 < memory.usage().total < 11_000
    simulation.loop.tick()
    assert 10_000 < memory.usage().total < 11_000
    sequencer.give_back()
    assert memory.usage().total == 0


def test_senders_that_leave_while_they_are_paused_are_not_kept() -> None:
    simulation = Simulation(max_pending=LIMIT, log_messages=0)
    sequencer = Sequencer(simulation)
    one, transport = simulation.connect()
    simulation.connect()
    one.data_received(b"x" * 2 * LIMIT + b"\n")
    simulation.loop.tick()
    assert not transport.reading
    gone = ref(one)
    transport.reset()
    simulation.loop.tick()
    del one, transport
    sequencer.give_back()
    gc.collect()
    assert gone() is None
