"""A cursor: how far a member that is behind has got in the backlog of its view.

The backlog is a chain of segments of which the view knows only the last link: a cursor keeps alive what it has not
taken, and what no cursor can reach any more is gone by itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from fastserver.fanout.parts import Part, cut
from fastserver.fanout.segment import OWN, SEGMENT, STRETCH, Segment

if TYPE_CHECKING:
    from fastserver.framing.framing import Splitter


class Stream(Protocol):
    """A view, as far as its cursors depend on it."""

    bytes: int
    """The position of its end."""
    messages: int
    """The total of messages there."""


class Reader(Protocol):
    """A member, as far as its cursor depends on it."""

    cursor: Cursor | None

    @property
    def view(self) -> Stream: ...

    def emptied(self) -> None:
        """Nothing more waits in its view."""


class Link:
    """A segment of a backlog, and what follows it."""

    __slots__ = ("next", "segment")

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.next: Link | None = None


class Cursor:
    """How far `member`, which is behind, has got in its view; what lies past it is pending, but for its own frames.

    It begins at `position`, in the last segment there is now; `messages` is the view's total there.
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

    def __init__(self, member: Reader, link: Link, position: int, messages: int) -> None:
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
        view = self.member.view
        end, messages = self.until or (view.bytes, view.messages)
        return messages - self.messages - self.own_messages, end - self.position - self.own_bytes

    def segments(self) -> Iterator[Segment]:
        """The segments that the cursor keeps alive."""
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
        self, before: int | None = None, at_least: int | None = None, splitter: Callable[[], Splitter] | None = None
    ) -> tuple[list[Part], int] | None:
        """The next parts with the number of messages in them, and move past them; None at the end.

        Not further than to the first run that is of order `before` or later. With `at_least`, the fewest messages that
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
            if at_least is not None and splitter is not None and end - start > at_least:
                if passed < len(own) and first + own[passed] == start:
                    end, total = first + own[passed + 1], self.messages + own[passed + 2]
                else:
                    place = start - first + at_least
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
