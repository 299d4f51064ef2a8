"""A segment: some batches of a backlog in a row, as one thing to keep or to let go.

Beside its bytes a segment keeps where runs begin, and where frames lie that are not for their own sender; all of that
as numbers of a few bytes, because a run or a sender's frames may be one byte long.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from fastserver.fanout.parts import whole

if TYPE_CHECKING:
    from fastserver.framing.framing import Splitter

SEGMENT: Final = 64 * 1024
"""Bytes up to which batches share a segment, so that a backlog of tiny batches costs little more than its
bytes: at one 64-byte message a tick, a segment of its own for each would cost five times as much."""

LOOSE: Final = 64
"""Batches of a segment that are joined to one object: an object costs 33 bytes and a place, whatever it holds."""

STEP: Final = 4096
"""Bytes after which a segment notes where a message ends, once that was looked for."""

RUN: Final = 16
"""Bytes that a run costs a segment."""

STRETCH: Final = 12
"""Bytes that it costs a segment to know frames in a row as their sender's own."""

OWN: Final = 256
"""Bytes that it costs a segment to have frames of one more sender: a row, and its place among the others."""


class Segment:
    """Some batches in a row. Places in it are in bytes since its `start`, messages counted from there too."""

    __slots__ = (
        "_asked",
        "_counts",
        "_ends",
        "_loose",
        "_newest",
        "before",
        "end",
        "largest",
        "messages",
        "orders",
        "own",
        "parts",
        "places",
        "size",
        "start",
        "totals",
    )

    def __init__(self, start: int, messages: int, wide: bool = False) -> None:
        code = "Q" if wide else "I"
        self.parts: list[bytes] = []
        self.size = 0
        self.start = self.end = start  # positions in the channel
        self.before = self.messages = messages  # the channel's totals of messages at these positions
        # Of each run (see Batch) that begins here: its order, where, and the messages before it.
        self.orders = array("q")
        self.places = array(code)
        self.totals = array(code)
        self.own: dict[int, array[int]] | None = None
        """Of each sender that was behind: start, end and messages of its frames, all of them in one row. By the
        identity of the member, which is not to be kept alive; another of the same identity begins behind that row."""
        self.largest = 0
        """Bytes that a message in it has at least."""
        self._loose = 0  # batches at the end of `parts` that were not joined
        # Where messages end, about one every `STEP` bytes, and how many those are; as far as it was looked for.
        self._ends = array(code)
        self._counts = array(code)
        self._asked = (0, 0, 0)  # the place that was last asked for, and what was found
        self._newest = (0, 0)  # where the last message begins that ends at a place, the last time one asked

    @property
    def identity(self) -> int:
        """The same for a segment and a blob that is all of it."""
        return id(self.parts[0] if len(self.parts) == 1 else self)

    @property
    def cost(self) -> int:
        """Bytes of memory it takes, with what it keeps beside its frames."""
        size = self.size + RUN * len(self.orders)
        if self.own is not None:
            size += sum([len(row) // 3 * STRETCH + OWN for row in self.own.values()])
        return size

    def add(self, frames: bytes, runs: Iterable[tuple[int, int, int]], messages: int, largest: int = 0) -> int:
        """Take over `frames`, that many messages in these runs (see Batch). Gives the bytes it took to note the runs.

        Where it fails half way, for want of memory, what was there before is as it was.
        """
        if self._loose == LOOSE:
            self.parts[-LOOSE:] = [b"".join(self.parts[-LOOSE:])]
            self._loose = 0
        noted = len(self.orders)
        for order, at, before in runs:
            if not self.orders or self.orders[-1] != order:
                self.totals.append(self.messages - self.before + before)
                self.places.append(self.size + at)
                self.orders.append(order)
        self.parts.append(frames)
        self.size += len(frames)
        self.end += len(frames)
        self.messages += messages
        self.largest = max(self.largest, largest)
        self._loose += 1
        return RUN * (len(self.orders) - noted)

    def begins(self, place: int) -> bool:
        """Whether a run begins there, or the segment."""
        at = bisect_left(self.places, place)
        return at < len(self.places) and self.places[at] == place

    def order(self, position: int) -> int:
        """The order of what is at `position`."""
        return self.orders[bisect_right(self.places, position - self.start) - 1]

    def run(self, order: int) -> tuple[int, int] | None:
        """Where the first run begins that is of `order` or later: position and total of messages; None if none is."""
        at = bisect_left(self.orders, order)
        return None if at == len(self.orders) else (self.start + self.places[at], self.before + self.totals[at])

    def blob(self) -> bytes:
        """All its bytes."""
        if len(self.parts) != 1:
            self.parts = [b"".join(self.parts)]
            self._loose = 0
        return self.parts[0]

    def boundary(self, place: int, splitter: Callable[[], Splitter]) -> tuple[int, int]:
        """The first place from `place` on where a message ends, and the messages before it.

        What is found once serves everyone who asks later. `splitter` makes new ones of the framing.
        """
        blob = self.blob()
        while not self._ends or self._ends[-1] < place:
            start, count = (self._ends[-1], self._counts[-1]) if self._ends else (0, 0)
            size, more = whole(blob, start, min(STEP, len(blob) - start), splitter)
            self._found(start + size, count + more)
        at = bisect_left(self._ends, place)
        start, count = (self._ends[at - 1], self._counts[at - 1]) if at else (0, 0)
        if place == start:
            return start, count
        if self._ends[at] == place or self._counts[at] == count + 1:
            return self._ends[at], self._counts[at]
        if self._asked[0] != place:
            size, more = whole(blob, start, place - start, splitter)
            self._asked = place, start + size, count + more
        return self._asked[1:]

    def _found(self, end: int, count: int) -> None:
        """A message ends there, and so many do up to there."""
        del self._counts[len(self._ends) :]  # where there was no memory for the other half
        self._counts.append(count)
        self._ends.append(end)

    def newest(self, end: int, splitter: Callable[[], Splitter]) -> int:
        """Where the message begins that ends at the place `end`."""
        if self._newest[0] != end:
            blob = self.blob()
            at = bisect_left(self._ends, end)
            start = self._ends[at - 1] if at else 0
            while end - start > STEP:  # note where messages end, up to the last such place before it
                size, more = whole(blob, start, STEP, splitter)
                if start + size >= end:
                    break
                if at == len(self._ends):
                    self._found(start + size, (self._counts[at - 1] if at else 0) + more)
                    at += 1
                start += size
            frames = blob[start:end]
            count = len(splitter().messages(frames, None))
            self._newest = end, start + splitter().messages(frames, None, count - 1).end
        return self._newest[1]
