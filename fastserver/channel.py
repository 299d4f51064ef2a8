"""A channel: who hears the same messages, and the batch of this tick.

A member that keeps up needs no position in the channel's stream: what it was offered is the difference of running
totals. One that is behind has a cursor into the backlog. Nothing here knows a socket: `ready` maps a member to what
takes its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastserver.backlog import SEGMENT, Cursor, Link, Part, Segment, cut

if TYPE_CHECKING:
    from asyncio import WriteTransport

    from fastserver.peer import Peer
    from fastserver.server import Server


@dataclass(slots=True, eq=False)
class Batch:
    """What a channel collected in one tick: the frames of all senders, joined in order."""

    channel: Channel
    start: int
    """Position of its first byte in the channel."""
    blob: bytes
    messages: int
    own: dict[Member, list[tuple[int, int, int]]]
    """For each sender that is to be left out: where its frames lie in `blob` (start, end) and how many."""
    runs: list[tuple[int, int, int]]
    """For each stretch published without a call for another channel in between: its order among all such
    stretches of the server, where it begins in `blob`, and how many messages lie before it."""

    def without(self, member: Member) -> tuple[list[memoryview], int]:
        """What `member`, one of its senders, is to receive, and how many messages that is."""
        ranges = self.own[member]
        messages = self.messages - sum(count for _, _, count in ranges)
        return cut(memoryview(self.blob), 0, ranges), messages

    def ordered(self, member: Member) -> list[tuple[int, Part]]:
        """What `member` is to receive, each part with its order."""
        view = memoryview(self.blob)
        own = self.own.get(member, [])
        ends = [start for _, start, _ in self.runs[1:]]
        parts: list[tuple[int, Part]] = []
        for (order, start, _), end in zip(self.runs, [*ends, len(view)], strict=True):
            ranges = [one for one in own if start <= one[0] < end]
            parts += [(order, part) for part in cut(view[:end], start, ranges)]
        return parts


class Member:
    """A peer in a channel: since when, what it sent itself, and its cursor while it is behind.

    One that is `missing` is offered what is flushed and gets none of it.
    """

    __slots__ = (
        "channel",
        "cursor",
        "left",
        "missing",
        "own_bytes",
        "peer",
        "since_bytes",
        "unoffered",
    )

    def __init__(self, channel: Channel, peer: Peer, missing: bool = False) -> None:
        self.channel = channel
        self.peer = peer
        self.missing = missing
        self.since_bytes = channel.bytes
        self.unoffered = channel.messages
        """The channel's messages that were none for it: from before it joined, and its own."""
        self.left: tuple[int, int] | None = None
        """The channel's totals, messages and bytes, when it left; None while it is a member."""
        self.own_bytes = 0
        self.cursor: Cursor | None = None

    @property
    def offered(self) -> tuple[int, int]:
        """Messages and bytes of others that flushes brought to it since it joined."""
        messages, size = self.left or (self.channel.messages, self.channel.bytes)
        return messages - self.unoffered, size - self.since_bytes - self.own_bytes

    @property
    def pending(self) -> tuple[int, int]:
        """Messages and bytes that lie past its cursor."""
        cursor = self.cursor
        if cursor is None:
            return 0, 0
        messages, size = self.left or (self.channel.messages, self.channel.bytes)
        return messages - cursor.messages - cursor.own_messages, size - cursor.position - cursor.own_bytes


class Channel:
    """A set of peers that hear the same messages in the same order.

    `broadcast` and `peers` are for everyone; the rest is for the flush.
    """

    def __init__(self, name: str, server: Server | None = None) -> None:
        self.name = name
        self._server = server
        self.ready: dict[Member, WriteTransport] = {}
        """Members that keep up, and what takes their bytes. Its bound `write` would be 64 bytes more for each."""
        self.behind: set[Member] = set()
        self.messages = 0
        """Messages flushed since the channel began."""
        self.bytes = 0
        """Bytes flushed since the channel began: the position of its end."""
        self.size = 0
        """Bytes collected since the last flush."""
        self.pieces: list[tuple[Member | None, bytes, int]] = []
        """What was collected since the last flush: sender (None: leave nobody out), frames, messages."""
        self.order = 0
        """The order of the run that is being collected (see Batch)."""
        self.runs: list[tuple[int, int]] = []
        """Of what was collected: the order of each run, and which piece begins it."""
        self._tail: Link | None = None

    @property
    def peers(self) -> list[Peer]:
        """Who hears it."""
        return [member.peer for member in (*self.ready, *self.behind)]

    def broadcast(self, value: Any, exclude: Peer | None = None) -> None:
        """Send one message to all of its peers but `exclude`: bytes-like in lines mode, any packable value in
        the msgpack modes. Raises `TypeError` or `ValueError` for what cannot be a message.
        """
        self._broadcast(self._serving.frame(value), exclude)

    def broadcast_packed(self, payload: bytes, exclude: Peer | None = None) -> None:
        """`broadcast` one message that is packed already."""
        self._broadcast(self._serving.framer.frame(payload), exclude)

    def broadcast_threadsafe(self, value: Any, exclude: Peer | None = None) -> None:
        """`broadcast` from another thread."""
        self._serving.call_threadsafe(self._broadcast, self._serving.frame(value), exclude)

    def _broadcast(self, frame: bytes, exclude: Peer | None) -> None:
        self._serving.flush.publish(self, None if exclude is None else exclude.member_of(self), frame, 1)

    @property
    def _serving(self) -> Server:
        assert self._server is not None, "a channel is made by a server"
        return self._server

    def join(self, peer: Peer, transport: WriteTransport) -> Member:
        """A new member that is offered everything flushed from now on."""
        member = Member(self, peer)
        self.ready[member] = transport
        return member

    def leave(self, member: Member) -> None:
        """Offer `member` nothing more. What it was offered before, its cursor still takes."""
        self.ready.pop(member, None)
        self.behind.discard(member)
        if not self.behind:
            self._tail = None
        member.left = self.messages, self.bytes
        if member.cursor is not None:
            member.cursor.stop(self.bytes, self.messages)

    def fall_behind(self, member: Member) -> None:
        """`member` has been given all that was flushed and can take no more for now."""
        del self.ready[member]
        if self._tail is None:
            self._tail = Link(Segment(self.bytes, self.messages))
        member.cursor = Cursor(self._tail)
        self.behind.add(member)

    def catch_up(self, member: Member, transport: WriteTransport) -> None:
        """`member` has taken all that was flushed and keeps up again."""
        member.cursor = None
        self.behind.discard(member)
        if not self.behind:
            self._tail = None
        self.ready[member] = transport

    def batch(self) -> Batch:
        """What was collected since the last flush, which is now flushed; members behind find it ahead."""
        pieces, self.pieces = self.pieces, []
        blob = pieces[0][1] if len(pieces) == 1 else b"".join([frames for _, frames, _ in pieces])
        own: dict[Member, list[tuple[int, int, int]]] = {}
        runs = []
        at = messages = 0
        for index, (order, begin) in enumerate(self.runs):
            first = at
            runs.append((order, at, messages))
            until = self.runs[index + 1][1] if index + 1 < len(self.runs) else len(pieces)
            for sender, frames, count in pieces[begin:until]:
                end = at + len(frames)
                if sender is not None:
                    sender.own_bytes += end - at
                    sender.unoffered += count
                    ranges = own.get(sender)
                    if ranges is None:
                        own[sender] = [(at, end, count)]
                    elif ranges[-1][1] == at > first:  # ranges do not reach across runs
                        start, _, before = ranges[-1]
                        ranges[-1] = (start, end, before + count)
                    else:
                        ranges.append((at, end, count))
                at = end
                messages += count
        batch = Batch(self, self.bytes, blob, messages, own, runs)
        self.size = 0
        self.bytes += at
        self.messages += messages
        if self._tail is not None:
            self._keep(batch, self.messages - messages)
        return batch

    def _keep(self, batch: Batch, messages: int) -> None:
        """Append `batch` to the backlog, before which there were so many messages."""
        start = batch.start
        begun = self._append(start, messages, batch)
        for member, ranges in batch.own.items():
            if member in self.behind and member.cursor is not None:
                for first, last, count in ranges:
                    member.cursor.skip(start + first, start + last, count, start + first in begun)

    def _append(self, start: int, messages: int, batch: Batch) -> set[int]:
        """Append `batch` to the backlog; the positions at which a run or a segment begins."""
        link = self._tail
        assert link is not None
        tail = link.segment
        if tail.size + len(batch.blob) > SEGMENT and tail.size:
            tail.blob()  # now one object instead of one for each batch
            tail = Segment(start, messages)
            link.next = self._tail = Link(tail)
        begun = set()
        for order, at, before in batch.runs:
            if not tail.marks or tail.marks[-1][0] != order:
                tail.marks.append((order, start + at, messages + before))
                begun.add(start + at)
        tail.parts.append(batch.blob)
        tail.size += len(batch.blob)
        tail.end = self.bytes
        tail.messages = self.messages
        return begun
