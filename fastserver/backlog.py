"""The backlog of a channel: what some member has not taken yet, each batch once.

Strategy: a channel is one stream of frames with positions counted in bytes since it began. A member that is
behind holds a `Cursor`. The backlog is a chain of segments of which the channel knows only the last link: a cursor
keeps alive what it has not taken, and what no cursor can reach any more is gone by itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastserver.framing import Splitter

SEGMENT: Final = 64 * 1024
"""Bytes up to which batches share a segment, so that a backlog of tiny batches costs little more than its
bytes: at one 64-byte message a tick, a segment of its own for each would cost five times as much."""

Part = bytes | memoryview


class Segment:
    """Some batches in a row."""

    __slots__ = ("end", "marks", "messages", "parts", "size")

    def __init__(self, end: int, messages: int) -> None:
        self.parts: list[bytes] = []
        # Where a run begins (see Batch): order, position, the channel's total of messages there.
        self.marks: list[tuple[int, int, int]] = []
        self.size = 0
        self.end = end  # position behind its last byte
        self.messages = messages  # the channel's total of messages at that position

    @property
    def identity(self) -> int:
        """The same for a segment and a blob that is all of it."""
        return id(self.parts[0] if len(self.parts) == 1 else self)

    def order(self, position: int) -> int:
        """The order of what is at `position`."""
        return self.marks[bisect_right(self.marks, position, key=itemgetter(1)) - 1][0]

    def blob(self) -> bytes:
        """All its bytes."""
        if len(self.parts) != 1:
            self.parts = [b"".join(self.parts)]
        return self.parts[0]


class Link:
    """A segment of a backlog, and what follows it."""

    __slots__ = ("next", "segment")

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.next: Link | None = None


class Cursor:
    """How far a member that is behind has got; what lies past it is pending."""

    __slots__ = ("_last", "_link", "messages", "own", "own_bytes", "own_messages", "position", "segment", "until")

    def __init__(self, link: Link) -> None:
        self._link: Link | None = link
        # Once it has an end: the segments up to there. The chain would keep alive all that comes after.
        self._last: deque[Segment] = deque()
        self.segment = link.segment
        self.position = self.segment.end
        self.messages = self.segment.messages
        self.until: tuple[int, int] | None = None
        """Position and total of messages at which it ends: the member has left there."""
        # Frames of its own that lie ahead (start, end, messages): they are not for it.
        self.own: deque[tuple[int, int, int]] = deque()
        self.own_bytes = 0
        self.own_messages = 0

    def segments(self) -> Iterator[Segment]:
        """What it keeps alive."""
        yield self.segment
        yield from self._last
        link = self._link
        while link is not None and (link := link.next) is not None:
            yield link.segment

    def stop(self, end: int, messages: int) -> None:
        """Go no further than what there is now, which ends at that position and total of messages."""
        self._last.extend(islice(self.segments(), 1, None))
        self._link = None
        self.until = end, messages

    def skip(self, start: int, end: int, messages: int, begins: bool) -> None:
        """Leave out what lies between two positions ahead: the member sent it itself.

        `begins` says that a run or a segment begins at `start`: what is left out does not reach across.
        """
        self.own_bytes += end - start
        self.own_messages += messages
        if self.own and self.own[-1][1] == start and not begins:
            first, _, before = self.own.pop()
            self.own.append((first, end, before + messages))
        else:
            self.own.append((start, end, messages))

    def order(self) -> int | None:
        """The order of what it would take next; None at the end."""
        while self.position == self.segment.end:
            if not self._advance():
                return None
        if self.until is not None and self.position >= self.until[0]:
            return None
        return self.segment.order(self.position)

    def take(
        self, before: int | None = None, most: int | None = None, splitter: Callable[[], Splitter] | None = None
    ) -> tuple[list[Part], int] | None:
        """The next parts with the number of messages in them, and move past them; None at the end.

        Not further than to the first run that is of order `before` or later. With `most`, the fewest messages that
        make that many bytes, own ones included; a new `splitter()` of the framing then knows where a message ends.
        """
        while self.order() is not None:
            segment = self.segment
            start, end, total = self.position, segment.end, segment.messages
            if self.until is not None and self.until[0] < end:
                end, total = self.until
            if before is not None:
                mark = bisect_left(segment.marks, before, key=itemgetter(0))
                if mark < len(segment.marks) and segment.marks[mark][1] < end:
                    _, end, total = segment.marks[mark]
                    if end <= start:
                        return None
            if most is not None and splitter is not None and end - start > most:
                own_start, own_end, own_messages = self.own[0] if self.own else (end, end, 0)
                if own_start == start:
                    end, total = own_end, self.messages + own_messages
                else:
                    offset = start - (segment.end - segment.size)
                    size, count = whole(segment.blob(), offset, min(most, own_start - start), splitter())
                    end, total = start + size, self.messages + count
            messages = total - self.messages
            self.position, self.messages = end, total
            first = segment.end - segment.size
            ranges = []
            while self.own and self.own[0][0] < end:
                own = self.own.popleft()
                ranges.append((own[0] - first, own[1] - first, own[2]))
                self.own_bytes -= own[1] - own[0]
                self.own_messages -= own[2]
                messages -= own[2]
            blob = segment.blob()
            if not ranges and end - start == len(blob):
                return [blob], messages
            parts = cut(memoryview(blob)[: end - first], start - first, ranges)
            if parts:
                return list(parts), messages
        return None

    def newest(self, splitter: Splitter) -> tuple[int, int] | None:
        """Order and position of the last message that lies ahead and is not its own; None if there is none.

        `splitter` is a new one of the framing.
        """
        *_, last = self.segments()
        end = last.end if self.until is None else self.until[0]
        for first, own_end, _ in reversed(self.own):
            if own_end < end:
                break
            end = first
        for segment in self.segments():
            if self.position < end <= segment.end:
                begin = segment.end - segment.size
                first = max([begin, self.position, *[own[1] for own in self.own if own[1] < end]])
                position = end - len(newest(segment.blob()[first - begin : end - begin], splitter))
                return segment.order(position), position
        return None

    def _advance(self) -> bool:
        """To the next segment; whether there is one."""
        if self._last:
            self.segment = self._last.popleft()
        elif self._link is None or self._link.next is None:
            return False
        else:
            self._link = self._link.next
            self.segment = self._link.segment
        return True


def newest(frames: bytes, splitter: Splitter) -> bytes:
    """The last of complete `frames`."""
    frame: bytes = splitter.messages(frames, None)[-1].frame
    return frame


def whole(blob: bytes, start: int, most: int, splitter: Splitter) -> tuple[int, int]:
    """The fewest messages of `blob` from `start` on that have at least `most` bytes: their bytes, and how many."""
    size = len(splitter.feed(memoryview(blob)[start : start + most]))
    count = splitter.count
    if size < most:
        size, count = splitter.messages(blob, None, 1, start + size).end - start, count + 1
    return size, count


def cut(view: memoryview, start: int, ranges: Iterable[tuple[int, int, int]]) -> list[memoryview]:
    """What is left of `view` from `start` on without `ranges` (start, end, messages; ascending)."""
    parts = []
    for first, last, _ in ranges:
        if first > start:
            parts.append(view[start:first])
        start = last
    if start < len(view):
        parts.append(view[start:])
    return parts


def past(parts: Iterable[Part], size: int) -> list[Part]:
    """What is left of `parts` behind their first `size` bytes."""
    left: list[Part] = []
    for part in parts:
        if size < len(part):
            left.append(memoryview(part)[size:] if size else part)
        size = max(0, size - len(part))
    return left
