"""A view: batches, and what members are offered of them."""

from __future__ import annotations

from support.views import batch, join, publish

from fastserver.fanout.view import View
from fastserver.framing import FRAMINGS


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
