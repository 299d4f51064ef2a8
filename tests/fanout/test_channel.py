"""Channel, backlog and cursor, with plain lists."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any, cast

from fastserver.fanout.outbox import Outbox
from fastserver.fanout.segment import SEGMENT, Segment
from fastserver.fanout.view import Batch, Member, View
from fastserver.framing import FRAMINGS
from fastserver.framing.registry import LinesSplitter


def join(channel: View) -> Member:
    peer = SimpleNamespace(link=SimpleNamespace(descriptor=-1), outbox=Outbox(lambda: LinesSplitter(1 << 20)))
    return channel.join(cast(Any, peer), cast(Any, object()))


def batch(channel: View, *pieces: tuple[Member | None, bytes, int]) -> Batch:
    channel.runs = [(1, 0)]
    channel.pieces = [*pieces]
    return channel.batch()


def publish(channel: View, frames: bytes, sender: Member | None = None) -> None:
    batch(channel, (sender, frames, frames.count(b"\n"))).close()


def everything(member: Member) -> tuple[bytes, int]:
    data, messages = b"", 0
    while (taken := member.peer.outbox.take()) is not None:
        data += b"".join(taken[0])
        messages += taken[1]
    return data, messages


def test_batch_of_one_read_is_that_very_object() -> None:
    channel = View(FRAMINGS["lines"])
    sender = join(channel)
    frames = b"one\ntwo\n"
    made = batch(channel, (sender, frames, 2))
    assert made.blob is frames
    assert made.to(sender) == ([], 0)


def test_senders_are_left_out_without_copies() -> None:
    channel = View(FRAMINGS["lines"])
    one, two = join(channel), join(channel)
    made = batch(channel, (one, b"1\n", 1), (two, b"2\n2\n", 2), (one, b"3\n", 1), (None, b"4\n", 1))
    parts, messages = made.to(one)
    assert (b"".join(parts), messages) == (b"2\n2\n4\n", 3)
    assert all(part.obj is made.blob for part in parts)
    assert one.offered == (3, 6)
    assert two.offered == (3, 6)


def test_one_who_joins_later_is_offered_what_comes_after() -> None:
    channel = View(FRAMINGS["lines"])
    join(channel)
    publish(channel, b"before\n")
    late = join(channel)
    publish(channel, b"after\n")
    assert late.offered == (1, 6)


def test_cursor_gives_what_came_since_and_leaves_out_its_own() -> None:
    channel = View(FRAMINGS["lines"])
    slow = join(channel)
    publish(channel, b"had\n")
    channel.fall_behind(slow)
    publish(channel, b"a\n")
    publish(channel, b"mine\n", slow)
    publish(channel, b"mine too\n", slow)
    publish(channel, b"b\nc\n")
    assert slow.peer.outbox.pending == (3, 6)
    assert everything(slow) == (b"a\nb\nc\n", 3)
    assert slow.peer.outbox.pending == (0, 0)
    publish(channel, b"d\n")
    assert everything(slow) == (b"d\n", 1)


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


def _segments() -> list[Segment]:
    return [one for one in gc.get_objects() if isinstance(one, Segment)]


def test_backlog_keeps_each_batch_once_and_only_from_the_furthest_cursor_on() -> None:
    gc.collect()
    channel = View(FRAMINGS["lines"])
    members = [join(channel) for _ in range(100)]
    for member in members:
        channel.fall_behind(member)
    for _ in range(10):
        publish(channel, b"x" * SEGMENT + b"\n")
    assert sum(one.size for one in _segments()) == 10 * (SEGMENT + 1)
    for member in members[1:]:
        everything(member)
    assert sum(one.size for one in _segments()) == 10 * (SEGMENT + 1)
    for _ in range(5):
        members[0].peer.outbox.take()
    assert sum(one.size for one in _segments()) == 5 * (SEGMENT + 1)  # what lies ahead
    channel.leave(members[0])
    members[0].peer.outbox = None
    del members[0], member
    assert not _segments()


def test_tiny_batches_share_segments() -> None:
    gc.collect()
    channel = View(FRAMINGS["lines"])
    slow = join(channel)
    channel.fall_behind(slow)
    line = b"x" * 63 + b"\n"
    for _ in range(10 * SEGMENT // 64):
        publish(channel, line)
    assert len(_segments()) == 10
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
    assert _segments() == []
