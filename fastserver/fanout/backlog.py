"""The backlog of a view: what some member has not taken yet, each batch once.

Strategy: a view is one stream of frames with positions counted in bytes since it began. A member for which something
waits there holds a cursor into a chain of segments. The backlog knows only the last link of the chain (see cursor.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from fastserver.fanout.cursor import Cursor, Link
from fastserver.fanout.segment import SEGMENT, Segment

if TYPE_CHECKING:
    from fastserver.fanout.batch import Batch
    from fastserver.fanout.member import Member

WIDE: Final = 1 << 32
"""Bytes of a batch from which on places in its segment need 8 bytes each."""


class Backlog:
    """The end of the chain of segments that cursors of one view lead to."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail: Link | None = None

    def append(self, batch: Batch, before: int, woken: Iterable[Member]) -> None:
        """Append `batch`, before which the view had `before` messages; each of the members `woken` gets a cursor that
        finds it ahead, in its peer's outbox, and cursors of its senders leave out their own frames.

        What that took beside the frames is added to the batch's `cost`, bytes.
        """
        link = self._link(batch, before)
        segment = link.segment
        at = segment.size
        batch.cost = segment.add(batch.blob, batch.runs, batch.messages, batch.largest)
        for member in woken:
            cursor = Cursor(member, link, batch.start, before)
            outbox = member.peer.outbox
            assert outbox is not None  # its peer is behind
            outbox.add(cursor)
            member.cursor = cursor
        for member in batch.senders:
            if member.cursor is not None:
                for start, end, count in member.own:
                    batch.cost += member.cursor.skip(segment, at + start, at + end, count)

    def _link(self, batch: Batch, before: int) -> Link:
        """The link whose segment `batch` goes to."""
        size = len(batch.blob)
        link = self._tail
        if link is None or (link.segment.size + size > SEGMENT and link.segment.size):
            following = Link(Segment(batch.start, before, size >= WIDE))
            if link is not None:
                link.segment.blob()  # now one object instead of one for each batch
                link.next = following
            link = self._tail = following
        return link
