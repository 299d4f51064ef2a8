"""A cursor: what a member that is behind is still to get."""

from __future__ import annotations

from support.views import everything, join, publish

from fastserver.fanout.view import View
from fastserver.framing import FRAMINGS


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
