"""The outbox of a peer that is behind: what waits for it in all its channels, in the order of the calls.

A cursor is here while something lies ahead of it, the one that is next on top of a heap: what a peer takes costs the
logarithm of how many channels it waits for, and nothing for those where nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, Final, Protocol

from fastserver.fanout.cursor import Cursor
from fastserver.fanout.parts import Part
from fastserver.fanout.segment import Segment

if TYPE_CHECKING:
    from fastserver.framing.framing import Splitter

REFILL: Final = 64 * 1024
"""Bytes up to which short runs of several channels are gathered to refill a peer."""

SPARSE: Final = 4
"""Bytes that may be kept alive for each byte that waits."""


class Episode(Protocol):
    """A time during which a peer is further behind than it may be, so that a policy acts on its outbox."""

    def before_take(self) -> bytes | None:
        """The peer is about to take more. Gives a frame that it is to receive first, or None."""


class Outbox:
    """The messages that wait for one peer and are not with its link. `splitter` makes new splitters of its framing."""

    __slots__ = ("_cursors", "_splitter", "episode", "given")

    def __init__(self, splitter: Callable[[], Splitter]) -> None:
        # Of each cursor: the order of what it would take next, its position (for two in one channel, which the peer
        # has left and joined again within a run), a number so that no two are the same, itself.
        self._cursors: list[tuple[int, int, int, Cursor]] = []
        self._splitter = splitter
        self.given = 0
        """Bytes that a message has at least, among what was taken last."""
        self.episode: Episode | None = None
        """Is asked before anything is taken."""

    def add(self, cursor: Cursor) -> None:
        """Something lies ahead of `cursor`, which is new."""
        heappush(self._cursors, (cursor.order() or 0, cursor.position, id(cursor), cursor))

    @property
    def pending(self) -> tuple[int, int]:
        """Messages and bytes that wait."""
        messages = size = 0
        for *_, cursor in self._cursors:
            more, bytes_more = cursor.pending
            messages += more
            size += bytes_more
        return messages, size

    def segments(self) -> Iterator[Segment]:
        """The segments that its cursors keep alive, some of them several times."""
        for *_, cursor in self._cursors:
            yield from cursor.segments()

    def largest(self) -> int:
        """Bytes that a message has at least, among what waits."""
        return max([segment.largest for segment in self.segments()], default=0)

    def take(self) -> tuple[Sequence[Part], int] | None:
        """The parts that the peer is to receive next, and the messages in them; None at the end."""
        word = None if self.episode is None else self.episode.before_take()
        taken = self._take_stretch()
        if word is None:
            return taken
        parts, messages = taken or ((), 0)
        return (word, *parts), messages + 1

    def clear(self) -> None:
        """Hold nothing."""
        self._cursors.clear()

    def drop_oldest(self, size: int) -> tuple[int, int]:
        """Skip what has waited longest: the fewest messages that make that many bytes. Gives the messages and bytes."""
        messages = dropped = 0
        while dropped < size and self._cursors:
            taken = self._take(self._before(), size - dropped)
            if taken is not None:
                messages += taken[1]
                dropped += sum([len(part) for part in taken[0]])
        return messages, dropped

    def keep_newest(self) -> tuple[int, int]:
        """Skip all but the newest message. Gives the messages and bytes that it skips."""
        last: tuple[int, int, Segment, int, Cursor] | None = None
        for *_, cursor in self._cursors:
            found = cursor.newest(self._splitter)
            if found is not None:
                segment, start, end = found
                order = segment.order(segment.start + start)
                if last is None or (order, segment.start + start) > last[:2]:
                    last = order, segment.start + start, segment, end, cursor
        messages, size = self.pending
        if messages < 2 or last is None:
            return 0, 0
        # The message is copied, so that it keeps nothing else alive.
        order, start, segment, end, cursor = last
        kept = Segment(start, 0)
        frame = segment.blob()[start - segment.start : end]
        kept.add(frame, [(order, 0, 0)], 1, len(frame))
        for *_, other in self._cursors:
            self._emptied(other)
        self._cursors.clear()
        cursor.keep(kept)
        self._cursors.append((order, start, 0, cursor))
        return messages - 1, size - kept.size

    def shed(self, most: int) -> None:
        """If frames of the peer's own that lie ahead are more than `most` bytes, and several times what waits, keep
        them alive no more: copy what waits.

        What the peer sends is none of what is pending for it, so that no other limit would hold for it.
        """
        own = sum([cursor.own_bytes for *_, cursor in self._cursors])
        if own > most and own > SPARSE * self.pending[1]:
            for *_, cursor in self._cursors:
                if cursor.own_bytes:
                    cursor.shed()
                    self._emptied(cursor)
            self._cursors = [
                (order, cursor.position, id(cursor), cursor)
                for *_, cursor in self._cursors
                if (order := cursor.order()) is not None
            ]
            heapify(self._cursors)

    def _take_stretch(self) -> tuple[Sequence[Part], int] | None:
        self.given = 0
        if len(self._cursors) == 1:
            return self._take(None, None)
        parts: list[Part] = []
        size = messages = 0
        while size < REFILL and self._cursors:
            taken = self._take(self._before(), None)
            if taken is not None:
                parts += taken[0]
                size += sum(map(len, taken[0]))
                messages += taken[1]
        return ([b"".join(parts)], messages) if parts else None

    def _before(self) -> int | None:
        """The order up to which the first cursor may take, because another is next then; None if no other is."""
        first, *others = self._cursors[:3]
        return max(min(others)[0], first[0] + 1) if others else None

    def _take(self, before: int | None, most: int | None) -> tuple[Sequence[Part], int] | None:
        """The parts that the first cursor gives, and the messages in them; None if they are all its own."""
        cursor = self._cursors[0][-1]
        taken = cursor.take(before, most, self._splitter)
        self.given = max(self.given, cursor.segment.largest)
        order = cursor.order()
        if order is None:
            heappop(self._cursors)
            self._emptied(cursor)
        else:
            heapreplace(self._cursors, (order, cursor.position, id(cursor), cursor))
        return taken

    def _emptied(self, cursor: Cursor) -> None:
        if cursor.member.cursor is cursor:
            cursor.member.emptied()
