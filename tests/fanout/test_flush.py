"""The flush: how far a peer may be behind."""

from __future__ import annotations

import pytest
from support.simulation import Simulation

from fastserver import CloseReason


@pytest.mark.parametrize("policy", ["disconnect", "drop-oldest", "drop-newest", "latest", "block"])
def test_one_message_may_always_be_pending_whole(policy: str) -> None:
    simulation = Simulation(log_messages=0, max_pending=64 * 1024, max_message=1 << 20, slow_consumer=policy)
    sender, _ = simulation.connect()
    reader, transport = simulation.connect(0)
    large = b"x" * 600_000 + b"\n"
    sender.data_received(b"before\n")
    simulation.loop.tick()
    for start in range(0, len(large), 200_000):
        sender.data_received(large[start : start + 200_000])
        simulation.loop.tick()
    sender.data_received(b"after\n")
    simulation.loop.tick()
    assert reader.reason is None
    expected = b"before\n" + large + b"after\n"
    for _ in range(50):
        transport.give_room(20_000)
        simulation.loop.tick()
        simulation.loop.advance(0.01)
    assert transport.sent == expected
    assert reader.figures().dropped_messages == 0


def test_two_large_messages_are_too_many() -> None:
    simulation = Simulation(log_messages=0, max_pending=64 * 1024, max_message=1 << 20)
    sender, _ = simulation.connect()
    reader, _ = simulation.connect(0)
    for _ in range(2):
        sender.data_received(b"x" * 600_000 + b"\n")
        simulation.loop.tick()
    assert reader.reason is CloseReason.SLOW_CONSUMER


def test_many_small_messages_get_no_more_than_the_limit() -> None:
    simulation = Simulation(log_messages=0, max_pending=64 * 1024)
    sender, _ = simulation.connect()
    reader, _ = simulation.connect(0)
    for _ in range(3):
        sender.data_received(b"x" * 999 + b"\n" + (b"y" * 99 + b"\n") * 240)
        simulation.loop.tick()
    assert reader.reason is CloseReason.SLOW_CONSUMER
