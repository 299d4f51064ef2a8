"""Mixes of sizes, and the writes made of them."""

from __future__ import annotations

from fastserver.load.mix import Mix, writes
from fastserver.load.wire import WIRES

LINES = WIRES["lines"]


def test_a_mix() -> None:
    """The shares are kept in every round, and each size is spread over it."""
    mix = Mix("64:80, 1KiB:20")
    assert mix.cycle == (64, 64, 1024, 64, 64)
    assert str(mix) == "64 B (80 %), 1 KiB (20 %)"
    assert str(Mix("100")) == "100 B"
    assert mix.delivered(LINES) == (4 * 65 + 1025) / 5


def test_writes_go_on_where_the_last_ended() -> None:
    built = writes(LINES, Mix("64:2,100:1"), 2)
    frames = {size: LINES.publish(LINES.payload(size)) for size in (64, 100)}
    cycle = Mix("64:2,100:1").cycle
    assert b"".join(write.data for write in built) == b"".join(frames[size] for size in cycle * 2)
    assert [write.delivered for write in built] == [len(write.data) for write in built]
    assert len(built) == 3
