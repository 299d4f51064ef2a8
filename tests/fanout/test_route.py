"""Messages that wait for a sequencer: how many, and what senders do meanwhile."""

from __future__ import annotations

import gc
from weakref import ref

import pytest
from support.simulation import Simulation

LIMIT = 64 * 1024


@pytest.mark.parametrize("size", [1, 4000])
def test_senders_are_not_read_while_much_waits_for_the_sequencer(size: int) -> None:
    simulation = Simulation(max_pending=LIMIT, log_messages=0)
    sequencer = simulation.put_in_sequence()
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
    assert sequencer
    while sequencer:
        sequencer.give_back()
    assert len(receiver.sent) == sent + len(message)
    one.data_received(message)
    assert from_one.reading


def test_tiny_messages_count_with_the_memory_they_take() -> None:
    simulation = Simulation(max_pending=LIMIT, log_messages=0)
    simulation.put_in_sequence()
    (one, from_one), _ = simulation.connect(), simulation.connect()
    sent = 0
    while from_one.reading and sent < LIMIT:
        one.data_received(b"\n")
        simulation.loop.tick()
        sent += 1
    assert sent < LIMIT // 100


def test_bytes_that_wait_for_the_sequencer_count_as_memory() -> None:
    simulation = Simulation(max_memory=1 << 24, log_messages=0)
    sequencer = simulation.put_in_sequence()
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
    sequencer = simulation.put_in_sequence()
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


def test_a_peer_that_joins_while_a_message_waits_is_left_out_of_it_if_it_was_to_be() -> None:
    simulation = Simulation(log_messages=0)
    sequencer = simulation.put_in_sequence()
    (peer, left_out), (other, receiver) = simulation.connect(), simulation.connect()
    channel = simulation.server.channel("room")
    channel.broadcast(b"for all but one", exclude=peer)
    peer.join(channel)
    other.join(channel)
    sequencer.give_back()
    assert left_out.sent == b""
    assert receiver.sent == b"for all but one\n"


def test_a_peer_is_told_what_it_missed_before_it_gets_what_waited_for_the_sequencer() -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="drop-newest", notify_drops=True, log_messages=0)
    sequencer = simulation.put_in_sequence()
    (sender, _), (_, slow) = simulation.connect(), simulation.connect(0)
    messages = [b"%d" % number + b"x" * 29_998 + b"\n" for number in range(5)]
    for number, message in enumerate(messages):
        sender.data_received(message)
        simulation.loop.tick()
        if number < 4:
            sequencer.give_back()
    slow.give_room(1 << 40)
    sequencer.give_back()
    notice = b'{"fastserver": "missed", "messages": 1}\n'
    assert slow.sent == b"".join([*messages[:3], notice, messages[4]])
