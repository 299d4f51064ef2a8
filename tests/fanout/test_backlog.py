"""The backlog: what members that are behind are still to get, kept once."""

from __future__ import annotations

import gc
from typing import Any, cast

from support.simulation import Simulation
from support.views import everything, join, publish, segments

from fastserver.fanout.parts import past
from fastserver.fanout.segment import OWN, RUN, SEGMENT, STRETCH, Segment
from fastserver.fanout.view import View
from fastserver.framing import FRAMINGS
from fastserver.peers.peer import Peer


def books(peer: Peer) -> tuple[int, int]:
    """Bytes of frames that are kept for `peer`, and bytes with what is kept beside them."""
    assert peer.outbox is not None
    segments: list[Segment] = [*peer.outbox.segments()]
    return sum(one.size for one in segments), sum(one.cost for one in segments)


def test_what_a_stuck_peer_says_itself_is_kept_in_a_few_bytes_and_counted() -> None:
    simulation = Simulation(log_messages=0)
    (stuck, _), (other, _) = simulation.connect(0), simulation.connect()
    for _ in range(5000):
        other.data_received(b"\n")
        stuck.data_received(b"\n")
        simulation.loop.tick()
    size, cost = books(stuck)
    assert size >= 9_990
    assert stuck.pending_bytes == 5000
    own = sum(len(row) for one in stuck.outbox.segments() for row in (one.own or {}).values())  # type: ignore[union-attr]
    assert own <= 3 * 5000
    assert size + own // 3 * STRETCH <= cost <= size + own // 3 * STRETCH + 20_000 * RUN + 100 * OWN
    assert sum(peer.kept()[one] for peer in [stuck] for one in peer.kept()) >= cost
    stuck.link.transport.give_room(1 << 40)  # type: ignore[attr-defined]
    assert stuck.figures().messages_out == 5000


def test_runs_are_noted_in_a_few_bytes() -> None:
    simulation = Simulation(log_messages=0)
    (stuck, transport), (other, _) = simulation.connect(0), simulation.connect()
    for message in other.splitter.messages(b"\n" * 5000, other):
        other.send(b"")
        message.broadcast()
    simulation.loop.tick()
    for message in other.splitter.messages(b"\n" * 5000, other):
        other.send(b"")
        message.broadcast()
    simulation.loop.tick()
    size, cost = books(stuck)
    assert cost <= (RUN + 1) * size + 1000
    transport.give_room(1 << 40)
    assert transport.sent == b"\n" * 10_000


def test_what_a_stuck_peer_says_itself_keeps_no_more_alive_than_its_limit() -> None:
    limit = 64 * 1024
    simulation = Simulation(log_messages=0, max_pending=limit)
    (stuck, transport), (other, hearing) = simulation.connect(0), simulation.connect()
    other.data_received(b"first\n")
    simulation.loop.tick()
    other.data_received(b"second\n")
    simulation.loop.tick()
    chunk = b"x" * 9_999 + b"\n"
    for _ in range(1000):
        stuck.data_received(chunk)
        simulation.loop.tick()
        assert books(stuck)[0] <= 6 * limit
    assert stuck.reason is None
    other.data_received(b"third\n")
    simulation.loop.tick()
    transport.give_room(1 << 40)
    assert transport.sent == b"first\nsecond\nthird\n"
    assert len(hearing.sent) == 1000 * len(chunk)
    figures = stuck.figures()
    assert (figures.messages_out, figures.bytes_out, figures.dropped_messages) == (3, len(transport.sent), 0)


def test_past_leaves_out_the_first_bytes_of_some_parts() -> None:
    parts = [b"abc", memoryview(b"defgh"), b"ij"]
    for size in range(11):
        assert b"".join(past(parts, size)) == b"abcdefghij"[size:]
    assert past(parts, 0)[0] is parts[0]
    assert past(parts, 10) == []


def test_nothing_is_kept_while_nobody_is_behind() -> None:
    channel = View(FRAMINGS["lines"])
    slow = join(channel)
    channel.fall_behind(slow)
    publish(channel, b"x\n")
    assert channel.backlog is not None
    assert everything(slow) == (b"x\n", 1)
    channel.catch_up(slow, cast(Any, object()))
    assert channel.backlog is None
    publish(channel, b"y\n")
    assert channel.backlog is None


def test_backlog_keeps_each_batch_once_and_only_from_the_furthest_cursor_on() -> None:
    gc.collect()
    channel = View(FRAMINGS["lines"])
    members = [join(channel) for _ in range(100)]
    for member in members:
        channel.fall_behind(member)
    for _ in range(10):
        publish(channel, b"x" * SEGMENT + b"\n")
    assert sum(one.size for one in segments()) == 10 * (SEGMENT + 1)
    for member in members[1:]:
        everything(member)
    assert sum(one.size for one in segments()) == 10 * (SEGMENT + 1)
    for _ in range(5):
        members[0].peer.outbox.take()
    assert sum(one.size for one in segments()) == 5 * (SEGMENT + 1)  # what lies ahead
    channel.leave(members[0])
    members[0].peer.outbox = None
    del members[0], member
    assert not segments()


def test_tiny_batches_sharesegments() -> None:
    gc.collect()
    channel = View(FRAMINGS["lines"])
    slow = join(channel)
    channel.fall_behind(slow)
    line = b"x" * 63 + b"\n"
    for _ in range(10 * SEGMENT // 64):
        publish(channel, line)
    assert len(segments()) == 10
    data, messages = everything(slow)
    assert data == line * messages
    assert messages == 10 * SEGMENT // 64


def test_a_backlog_of_any_length_is_let_go() -> None:
    channel = View(FRAMINGS["lines"])
    slow = join(channel)
    channel.fall_behind(slow)
    blob = b"x" * (SEGMENT + 1)
    for _ in range(50_000):
        publish(channel, blob)
    channel.leave(slow)
    del slow
    gc.collect()
    assert segments() == []
