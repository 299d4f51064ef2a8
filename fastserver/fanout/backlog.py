"""The backlog of a channel: what some member has not taken yet, each batch once.

Strategy: a channel is one stream of frames with positions counted in bytes since it began. A member that something
waits for there holds a `Cursor`. The backlog is a chain of segments of which the channel knows only the last link: a
cursor keeps alive what it has not taken, and what no cursor can reach any more is gone by itself.

Beside its bytes a segment keeps where runs begin, and where frames lie that are not for their own sender; all of that
as numbers of a few bytes, because a run or a sender's frames may be one byte long.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol

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

Part = bytes | memoryview


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


class Link:
    """A segment of a backlog, and what follows it."""

    __slots__ = ("next", "segment")

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.next: Link | None = None


class Waiting(Protocol):
    """A member of a channel, as far as the backlog depends on it."""

    @property
    def channel(self) -> Any: ...

    @property
    def cursor(self) -> Cursor | None:
        """How far it has got; None if nothing waits for it."""


class Cursor:
    """How far `member`, which is behind, has got in its channel; what lies past it is pending, but for its own frames.

    It begins at `position`, in the last segment there is now; `messages` is the channel's total there.
    """

    __slots__ = (
        "_last",
        "_link",
        "_passed",
        "member",
        "messages",
        "own_bytes",
        "own_messages",
        "position",
        "segment",
        "until",
    )

    def __init__(self, member: Waiting, link: Link, position: int, messages: int) -> None:
        self.member = member
        self._link: Link | None = link
        # Once it has an end: the segments up to there, the next one last. The chain would keep alive all that comes
        # after.
        self._last: list[Segment] | None = None
        self.segment = link.segment
        self.position = position
        self.messages = messages
        self.until: tuple[int, int] | None = None
        """Position and total of messages at which it ends: the member has left there."""
        # Frames of its own that lie ahead, which are not for it; and how many numbers in the segment's row are passed.
        self.own_bytes = 0
        self.own_messages = 0
        self._passed = len(self._own())

    @property
    def pending(self) -> tuple[int, int]:
        """Messages and bytes of others that lie ahead."""
        channel = self.member.channel
        end, messages = self.until or (channel.bytes, channel.messages)
        return messages - self.messages - self.own_messages, end - self.position - self.own_bytes

    def segments(self) -> Iterator[Segment]:
        """What it keeps alive."""
        yield self.segment
        yield from reversed(self._last or ())
        link = self._link
        while link is not None and (link := link.next) is not None:
            yield link.segment

    def stop(self, end: int, messages: int) -> None:
        """Go no further than what there is now, which ends at that position and total of messages."""
        self._last = list(islice(self.segments(), 1, None))[::-1]
        self._link = None
        self.until = end, messages

    def keep(self, segment: Segment) -> None:
        """Have nothing ahead but what is in `segment`, of which nothing is its own, and end there."""
        self._go_to([segment])

    def shed(self) -> None:
        """Keep alive nothing but what it is to take of what there is now, which is copied, and end there."""
        segments = [Segment(self.position, self.messages)]
        while (order := self.order()) is not None:
            taken = self.take(order + 1)
            if taken is not None:
                if segments[-1].size > SEGMENT:
                    segments.append(Segment(segments[-1].end, segments[-1].messages))
                segments[-1].add(b"".join(taken[0]), [(order, 0, 0)], taken[1])
        self._go_to(segments)

    def _go_to(self, segments: list[Segment]) -> None:
        self.segment = segments[0]
        self.position, self.messages = self.segment.start, self.segment.before
        self.until = segments[-1].end, segments[-1].messages
        self._link, self._last = None, segments[:0:-1]
        self.own_bytes = self.own_messages = self._passed = 0

    def skip(self, segment: Segment, start: int, end: int, messages: int) -> int:
        """Leave out what lies between two places of `segment`, which is the last: the member sent it itself.

        What is left out does not reach across runs. Gives the bytes it took to note it.
        """
        if segment.own is None:
            segment.own = {}
        own = segment.own.get(id(self.member))
        cost = 0
        if own is None:
            own = segment.own[id(self.member)] = array(segment.places.typecode)
            cost = OWN
        passed = self._passed if segment is self.segment else 0
        if len(own) > passed and own[-2] == start and not segment.begins(start):
            own[-2] = end
            own[-1] += messages
        else:
            own.extend((start, end, messages))
            cost += STRETCH
        self.own_bytes += end - start
        self.own_messages += messages
        return cost

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
            if before is not None and (run := segment.run(before)) is not None and run[0] < end:
                end, total = run
                if end <= start:
                    return None
            first, own, passed = segment.start, self._own(), self._passed
            if most is not None and splitter is not None and end - start > most:
                if passed < len(own) and first + own[passed] == start:
                    end, total = first + own[passed + 1], self.messages + own[passed + 2]
                else:
                    place = start - first + most
                    if passed < len(own):
                        place = min(place, own[passed])
                    place, count = segment.boundary(place, splitter)
                    end, total = first + place, segment.before + count
            messages = total - self.messages
            own_bytes = own_messages = 0
            ranges = []
            while passed < len(own) and first + own[passed] < end:
                ranges.append((own[passed], own[passed + 1], own[passed + 2]))
                own_bytes += own[passed + 1] - own[passed]
                own_messages += own[passed + 2]
                passed += 3
            blob = segment.blob()
            parts: list[Part] = (
                [blob]
                if not ranges and end - start == len(blob)
                else [*cut(memoryview(blob)[: end - first], start - first, ranges)]
            )
            self.position, self.messages, self._passed = end, total, passed
            self.own_bytes -= own_bytes
            self.own_messages -= own_messages
            if parts:
                return parts, messages - own_messages
        return None

    def newest(self, splitter: Callable[[], Splitter]) -> tuple[Segment, int, int] | None:
        """The last message that lies ahead and is not its own: its segment, and from which place to which it lies in
        it; None if there is none. `splitter` makes new ones of the framing.
        """
        for segment in reversed([*self.segments()]):
            end = segment.end if self.until is None else min(segment.end, self.until[0])
            own = self._own(segment)
            place, at = end - segment.start, len(own)
            while at and own[at - 2] >= place:
                place = min(place, own[at - 3])
                at -= 3
            if place > 0 and segment.start + place > self.position:
                return segment, segment.newest(place, splitter), place
        return None

    def _own(self, segment: Segment | None = None) -> Sequence[int]:
        """Its own frames in `segment`, or else in that it has got to: start, end, messages of each, in one row."""
        own = (segment or self.segment).own
        return () if own is None else own.get(id(self.member), ())

    def _advance(self) -> bool:
        """To the next segment; whether there is one."""
        if self._last is not None:
            if not self._last:
                return False
            self.segment = self._last.pop()
        elif self._link is None or self._link.next is None:
            return False
        else:
            self._link = self._link.next
            self.segment = self._link.segment
        self._passed = 0
        return True


def whole(blob: bytes, start: int, most: int, splitter: Callable[[], Splitter]) -> tuple[int, int]:
    """The fewest messages of `blob` from `start` on that have at least `most` bytes: their bytes, and how many."""
    found = splitter()
    size = len(found.feed(memoryview(blob)[start : start + most]))
    count = found.count
    if size < most:
        size, count = splitter().messages(blob, None, 1, start + size).end - start, count + 1
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
