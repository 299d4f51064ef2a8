"""The backlog of a channel: what some member has not taken yet, each batch once.

Strategy: a channel is one stream of frames with positions counted in bytes since it began. A member that is
behind holds a `Cursor`. The backlog is a chain of segments of which the channel knows only the last: a cursor
keeps alive what it has not taken, and what no cursor can reach any more is gone by itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from operator import itemgetter
from typing import Final

SEGMENT: Final = 64 * 1024
"""Bytes up to which batches share a segment, so that a backlog of tiny batches costs little more than its
bytes: at one 64-byte message a tick, a segment of its own for each would cost five times as much."""

Part = bytes | memoryview


class Segment:
    """A link of a backlog: some batches in a row."""

    __slots__ = ("end", "marks", "messages", "next", "parts", "size")

    def __init__(self, end: int, messages: int) -> None:
        self.parts: list[bytes] = []
        # Where a run begins (see Batch): order, position, the channel's total of messages there.
        self.marks: list[tuple[int, int, int]] = []
        self.size = 0
        self.end = end  # position behind its last byte
        self.messages = messages  # the channel's total of messages at that position
        self.next: Segment | None = None

    def blob(self) -> bytes:
        """All its bytes."""
        if len(self.parts) != 1:
            self.parts = [b"".join(self.parts)]
        return self.parts[0]


class Cursor:
    """How far a member that is behind has got; what lies past it is pending."""

    __slots__ = ("messages", "own", "own_bytes", "own_messages", "position", "segment", "until")

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.position = segment.end
        self.messages = segment.messages
        self.until: tuple[int, int] | None = None
        """Position and total of messages at which it ends: the member has left there."""
        # Frames of its own that lie ahead (start, end, messages): they are not for it.
        self.own: deque[tuple[int, int, int]] = deque()
        self.own_bytes = 0
        self.own_messages = 0

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
            if self.segment.next is None:
                return None
            self.segment = self.segment.next
        if self.until is not None and self.position >= self.until[0]:
            return None
        marks = self.segment.marks
        return marks[bisect_right(marks, self.position, key=itemgetter(1)) - 1][0]

    def take(self, before: int | None = None) -> tuple[list[Part], int] | None:
        """The next parts with the number of messages in them, and move past them; None at the end.

        Not further than to the first run that is of order `before` or later.
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
