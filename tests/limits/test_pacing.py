"""Pacing: who is waited for, who waits, and for how long."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulation import Simulation, Transport

from fastserver import CloseReason, Message
from fastserver.fanout.pause import Pause
from fastserver.limits.readers import STUCK
from fastserver.limits.trickle import TRICKLE_INTERVAL
from fastserver.peers.peer import Peer

LIMIT = 1024 * 1024
LINE = b"x" * 99 + b"\n"
READ = LINE * 2500
LONG = (b"x" * 499 + b"\n") * 500

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


def test_senders_go_on_at_the_pace_of_a_reader_that_takes_and_never_bring_it_over_its_limit() -> None:
    simulation, sender, (slow, reading) = begin()
    sent = flood(simulation, sender)
    assert not sender[1].reading
    assert 0 < slow.pending_bytes <= LIMIT * 5 // 8
    for size in [100_000] * 50 + [1_500_000] * 50 + [10_000] * 50:
        reading.give_room(size)
        simulation.loop.tick()  # at once, not with the next interval
        sent += flood(simulation, sender)
        assert slow.pending_bytes <= LIMIT * 3 // 4
        simulation.loop.advance(TRICKLE_INTERVAL)
    assert len(reading.sent) == 50 * 1_610_000
    assert sent >= len(reading.sent) + LIMIT // 4
    reading.give_room(1 << 40)
    simulation.loop.tick()
    assert bytes(reading.sent) == READ * (sent // len(READ))
    assert slow.reason is None
    assert sender[1].reading


def test_many_senders_in_one_poll_do_no_more_than_one() -> None:
    simulation, first, (slow, reading) = begin()
    senders = [first, *[simulation.connect() for _ in range(49)]]
    flood(simulation, first, 1)
    for number, (peer, _) in enumerate(senders):  # all of them readable at once
        peer.data_received(b"%03d" % number * 10_000 + b"\n" + READ)
    assert slow.pending_bytes + simulation.server.flush.collected <= LIMIT * 3 // 4
    simulation.loop.tick()
    assert slow.pending_bytes <= LIMIT * 3 // 4
    received = b""
    for _ in range(200):
        reading.give_room(100_000)
        simulation.loop.tick()
        assert slow.pending_bytes <= LIMIT * 3 // 4
        simulation.loop.advance(TRICKLE_INTERVAL)
    received = bytes(reading.sent)
    assert len(received) == 51 * len(READ) + 50 * 30_001
    for number in range(50):
        assert received.count(b"%03d" % number * 10_000 + b"\n") == 1
    assert slow.reason is None
    assert all(transport.reading for _, transport in senders)


def test_senders_of_which_nothing_is_held_are_read_again_in_turn_and_not_all_at_once() -> None:
    """Held messages take memory, so they are not read before they can be passed on."""
    simulation, first, (_slow, reading) = begin()
    senders = [first, *[simulation.connect() for _ in range(19)]]
    for sender in senders:
        flood(simulation, sender)
    heard = {sender[0]: 0 for sender in senders}
    for _ in range(400):
        reading.give_room(50_000)
        simulation.loop.tick()
        for sender in senders:
            heard[sender[0]] += flood(simulation, sender)
        simulation.loop.advance(TRICKLE_INTERVAL)
    assert simulation.server.limits.pacing.active
    assert len(reading.sent) == 400 * 50_000
    assert max(heard.values()) <= min(heard.values()) + 2 * len(READ)


def test_one_that_is_stuck_is_not_brought_over_its_limit_while_it_is_waited_for_and_the_others_hear_all_the_time() -> (
    None
):
    simulation, sender, (stuck, _) = begin()
    healthy, hearing = simulation.connect()
    flood(simulation, sender)
    for _ in range(round(STUCK / TRICKLE_INTERVAL)):
        before = len(hearing.sent)
        flood(simulation, sender)
        assert stuck.pending_bytes <= LIMIT
        simulation.loop.advance(TRICKLE_INTERVAL)
        assert len(hearing.sent) > before
    simulation.loop.advance(STUCK / 2)
    assert not simulation.server.limits.pacing.active
    flood(simulation, sender, 10)
    assert stuck.reason is CloseReason.SLOW_CONSUMER
    assert sender[1].reading
    assert healthy.pending_bytes == 0


def test_one_that_was_stuck_is_waited_for_again_when_it_moves() -> None:
    simulation, sender, (slow, reading) = begin(slow_consumer="drop-oldest")
    flood(simulation, sender)
    simulation.loop.advance(STUCK * 1.5)
    assert not simulation.server.limits.pacing.active
    flood(simulation, sender, 1)
    assert slow.dropped == (0, 0)
    reading.give_room(reading.get_write_buffer_size())
    flood(simulation, sender)
    assert simulation.server.limits.pacing.active


def test_a_peer_that_is_gone_or_has_caught_up_paces_nobody() -> None:
    for leave in (lambda reading: reading.reset(), lambda reading: reading.give_room(1 << 40)):
        simulation, sender, (_slow, reading) = begin()
        healthy, hearing = simulation.connect()
        sent = flood(simulation, sender)
        leave(reading)
        simulation.loop.tick()
        assert sender[1].reading
        assert not simulation.server.limits.pacing.active
        assert len(hearing.sent) == sent
        simulation.loop.advance(1.0)
        assert simulation.loop.waiting == 0
        assert healthy.reason is None


def test_one_that_says_little_is_not_held_beside_those_that_say_much() -> None:
    simulation, sender, (slow, reading) = begin(max_pending=16 * LIMIT)
    one, other = simulation.connect(), simulation.connect()
    flood(simulation, sender)
    said = 0
    for number in range(100):
        flood(simulation, sender)
        assert not sender[1].reading
        for talker in one, other:  # 120 messages a second each
            for _ in range(12):
                assert send(simulation, talker, b"%08d" % number * 8 + b"\n")
                said += 1
        assert (
            simulation.server.limits.pacing.held_bytes(one[0])
            == simulation.server.limits.pacing.held_bytes(other[0])
            == 0
        )
        simulation.loop.advance(TRICKLE_INTERVAL)
        if number % 10 == 0:
            reading.give_room(1000)
    heard = bytes(one[1].sent + other[1].sent).splitlines()
    assert said == sum(not line.startswith(b"x") for line in heard)
    assert slow.reason is None


@pytest.mark.parametrize("settings", [{}, {"limit_loopback": True, "max_peers_per_address": 1000}])
def test_one_that_takes_little_is_waited_for_until_its_budget_is_spent_and_then_named(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    simulation, sender, (slow, reading) = begin(pace_timeout=3.0, **settings)
    _healthy, hearing = simulation.connect()
    flood(simulation, sender)

    def run(seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            reading.give_room(500)
            let_pass(simulation, 0.1, sender)

    with caplog.at_level(logging.WARNING, "fastserver"):
        for _ in range(28):
            before = len(hearing.sent)
            run(0.1)
            assert len(hearing.sent) > before
            assert simulation.server.limits.pacing.active
            assert slow.pending_bytes <= LIMIT
        assert not caplog.messages
        run(0.5)
    assert len(caplog.messages) == 2
    assert "peer 2 127.0.0.1:40002 is " in caplog.messages[0]
    assert "slowed the others for 3 s in a minute" in caplog.messages[0]
    assert slow.reason is CloseReason.SLOW_CONSUMER
    # A peer that comes again has a new budget if connections count, and none where addresses count.
    again, rereading = simulation.connect(room=0)
    flood(simulation, sender)
    rereading.give_room(1)
    assert simulation.server.limits.pacing.active is not bool(settings)
    assert (again.reason is None) is not bool(settings)


def test_one_that_takes_its_limit_within_a_second_is_no_burden() -> None:
    simulation, sender, (slow, reading) = begin(pace_timeout=1.0)
    for _ in range(1000):
        reading.give_room(LIMIT // 80)
        let_pass(simulation, TRICKLE_INTERVAL, sender)
    assert slow.reason is None
    assert len(reading.sent) == 1000 * (LIMIT // 80)


def test_what_is_held_counts_as_held() -> None:
    simulation, (sender, _), _ = begin()
    for _ in range(10):
        sender.data_received(READ)
        simulation.loop.tick()
    held = simulation.server.limits.pacing.held_bytes(sender)
    assert held > len(READ) * 6
    assert sender.incoming_bytes == held
    assert simulation.server.limits.memory.usage().total > held


@pytest.mark.parametrize("end", ["eof", "close", "reset", "frame error", "stop"])
def test_what_is_held_comes_before_the_end(end: str) -> None:
    simulation, (sender, sending), (_slow, reading) = begin(max_message=1000, slow_consumer="block")
    _healthy, hearing = simulation.connect()
    lines = [b"%099d\n" % number for number in range(12_000)]
    sender.data_received(b"".join(lines[:6000]))
    simulation.loop.tick()
    sender.data_received(b"".join(lines[6000:]))
    assert simulation.server.limits.pacing.held_bytes(sender) > 0
    if end == "eof":
        sender.data_received(b"un")
        sender.data_received(b"finished")
        lines.append(b"unfinished\n")
        sender.eof_received()
    elif end == "close":
        sender.close(CloseReason.IDLE)
    elif end == "reset":
        sending.reset()
    elif end == "frame error":
        sender.data_received(b"last\n" + b"x" * 2000)
        lines.append(b"last\n")
        assert sender.reason is CloseReason.FRAME_ERROR
    else:
        sender.deafen(CloseReason.SHUTDOWN)
        simulation.server.limits.pacing.deliver_all()
    simulation.loop.tick()
    reading.give_room(1 << 40)
    simulation.loop.tick()
    assert bytes(hearing.sent) == bytes(reading.sent) == b"".join(lines)
    assert simulation.server.limits.pacing.held_bytes(sender) == 0
    assert not simulation.server.limits.pacing.active


ENDS = {
    "half a line and the end of the stream": lambda peer, _: peer.eof_received(),
    "the end of the stream": lambda peer, _: peer.eof_received(),
    "what is no message": lambda peer, _: peer.data_received(LONG + b"x" * 300_000),
    "a reset": lambda _, transport: transport.reset(),
    "a reset behind the end of the stream": lambda peer, transport: (peer.eof_received(), transport.reset()),
    "being closed": lambda peer, _: peer.close(CloseReason.IDLE),
}


@pytest.mark.parametrize("handled", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_many_that_end_together_bring_no_reader_over_its_limit(end: str, handled: bool) -> None:
    """Their last messages wait as all others do, and their ends behind these."""
    asyncio.run(end_together(end, handled))


async def end_together(end: str, handled: bool) -> None:
    simulation = Simulation(paced=True, max_pending=LIMIT, max_message=250_000, log_messages=0, message_timeout=None)
    said: list[bytes] = []
    parted: list[int] = []
    if handled:

        @simulation.server.on_message
        def relay(message: Message) -> None:
            assert message.peer.id not in parted
            said.append(message.frame)
            message.broadcast()

        simulation.server.on_disconnect(lambda peer, reason: parted.append(peer.id))
    reader, reading = simulation.connect(room=0)
    senders = [simulation.connect() for _ in range(40)]
    half = "half" in end
    for peer, _ in senders:
        for data in (b"y" * 200_000,) if half else (LONG, LONG):
            peer.data_received(data)
    for peer, transport in senders:
        ENDS[end](peer, transport)
        simulation.loop.tick()
    whole = len(senders) * (200_001 if half else len(LONG) * (3 if "no message" in end else 2))
    for _ in range(4 * whole // 100_000):
        reading.give_room(100_000)
        simulation.loop.advance(TRICKLE_INTERVAL)
        await asyncio.sleep(0)  # inboxes have tasks
        assert reader.reason is None
    assert len(reading.sent) == whole
    assert reader.dropped == (0, 0)
    assert not simulation.server.limits.pacing.active
    for _, transport in senders:
        transport.reset()
    simulation.loop.tick()
    await asyncio.sleep(0)
    assert len(simulation.server.peers) == 1
    if handled:
        assert b"".join(said) == bytes(reading.sent)
        assert sorted(parted) == [peer.id for peer, _ in senders]


def test_a_sender_that_is_gone_stays_on_the_books_until_all_it_said_was_passed_on() -> None:
    simulation, (sender, sending), (_, reading) = begin()
    other, _ = simulation.connect()
    flood(simulation, (sender, sending))
    held = simulation.server.limits.pacing.held_bytes(sender)
    assert held > 0
    sending.reset()
    simulation.loop.tick()
    assert sender.closed
    assert sender.id in simulation.server.peers
    assert sender.incoming_bytes == held
    for _ in range(100):
        reading.give_room(100_000)
        simulation.loop.advance(TRICKLE_INTERVAL)
    assert sender.id not in simulation.server.peers
    assert sender.incoming_bytes == 0
    assert other.reason is None


def test_what_is_held_of_a_sender_that_is_gone_can_be_thrown_away() -> None:
    simulation, (sender, sending), (_, reading) = begin()
    flood(simulation, (sender, sending))
    sending.reset()
    simulation.loop.tick()
    assert sender.id in simulation.server.peers
    sender.abort(CloseReason.MEMORY)
    assert sender.id not in simulation.server.peers
    reading.give_room(1 << 40)
    simulation.loop.tick()
    assert not simulation.server.limits.pacing.active


def test_what_is_read_of_a_broken_connection_waits_behind_what_is_held() -> None:
    simulation, sender, (_, reading) = begin()
    lines = [b"%099d\n" % number for number in range(20_000)]
    peer, _ = sender
    for at in range(0, 10_000, 2500):
        peer.data_received(b"".join(lines[at : at + 2500]))
        simulation.loop.tick()
    assert simulation.server.limits.pacing.held_bytes(peer) > 0
    simulation.server.hub.unread.over.add(peer)
    peer.resume_reading(Pause.ALL & ~Pause.PACE)
    for at in range(10_000, 20_000, 2500):
        reading.give_room(300_000)
        peer.data_received(b"".join(lines[at : at + 2500]))
        simulation.loop.tick()
    peer.eof_received()
    for _ in range(100):
        reading.give_room(100_000)
        simulation.loop.advance(TRICKLE_INTERVAL)
    assert bytes(reading.sent) == b"".join(lines)


def test_what_is_held_of_one_that_was_kicked_is_for_nobody() -> None:
    simulation, (sender, _), (slow, reading) = begin()
    sender.data_received(READ * 2)
    simulation.loop.tick()
    sender.data_received(READ * 2)
    sender.abort()
    reading.give_room(1 << 40)
    simulation.loop.tick()
    assert not simulation.server.limits.pacing.active
    assert len(reading.sent) < len(READ) * 3
    assert slow.reason is None


def test_handlers_that_say_more_than_they_hear_are_held_too() -> None:
    simulation = Simulation(paced=True, max_pending=LIMIT, log_messages=0)

    @simulation.server.on_message
    def repeat(message: Any) -> None:
        for _ in range(10):
            message.broadcast()

    sender = simulation.connect()
    slow, reading = simulation.connect(room=0)
    sent = 0
    for _ in range(1000):
        sent += flood(simulation, sender, 200, LINE * 16)  # so few that they are handled in one turn
        assert slow.pending_bytes <= LIMIT * 3 // 4
        reading.give_room(15_000)
        simulation.loop.advance(TRICKLE_INTERVAL)
    assert slow.reason is None
    assert sent >= 1_500_000


def test_no_work_is_done_for_peers_that_rest() -> None:
    """The cost of a read while many are behind does not depend on how many these are."""
    looks = []
    for readers in 10, 1000:
        simulation, sender, _ = begin()
        for _ in range(readers):
            simulation.connect(room=0)
        flood(simulation, sender)
        due, looked = simulation.server.limits.pacing.readers.due, []

        def counted(peer: Peer, due: Any = due, looked: list[Peer] = looked) -> Any:
            looked.append(peer)
            return due(peer)

        simulation.server.limits.pacing.readers.due = counted  # type: ignore[method-assign]
        for _ in range(10):
            simulation.loop.advance(TRICKLE_INTERVAL)
            flood(simulation, sender)
        looks.append(len(looked))
    assert looks[1] <= looks[0] + 10


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 2), st.integers(1, 300_000)),
            st.tuples(st.just("take"), st.integers(0, 2), st.integers(1, 600_000)),
            st.tuples(st.just("wait"), st.integers(0, 2), st.integers(1, 50)),
        ),
        max_size=60,
    )
)
def test_whatever_happens_the_order_of_each_sender_is_kept_and_nothing_is_lost(
    steps: list[tuple[str, int, int]],
) -> None:
    simulation = Simulation(paced=True, max_pending=LIMIT, slow_consumer="block", log_messages=0, message_timeout=None)
    senders = [simulation.connect() for _ in range(3)]
    readers = [simulation.connect(room=0) for _ in range(3)]
    sent: list[list[bytes]] = [[] for _ in senders]
    for step, which, size in steps:
        if step == "send":
            lines = [b"%d %d %s\n" % (which, len(sent[which]) + number, b"x" * 80) for number in range(size // 90)]
            if lines and send(simulation, senders[which], b"".join(lines)):
                sent[which] += lines
        elif step == "take":
            readers[which][1].give_room(size)
            simulation.loop.tick()
        else:
            simulation.loop.advance(size * TRICKLE_INTERVAL)
    for _, transport in (*readers, *senders):
        transport.give_room(1 << 40)
    simulation.loop.advance(70.0)
    for _, transport in readers:
        received = bytes(transport.sent).splitlines(keepends=True)
        for number, lines in enumerate(sent):
            assert [line for line in received if line.startswith(b"%d " % number)] == lines
