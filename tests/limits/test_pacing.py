"""Pacing: who is waited for, who waits, and for how long."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.pace import LIMIT, LINE, READ, begin, flood, send
from support.simulation import Simulation

from fastserver.limits.trickle import TRICKLE_INTERVAL


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
    assert slow.pending_bytes + simulation.server.tick.collected <= LIMIT * 3 // 4
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
