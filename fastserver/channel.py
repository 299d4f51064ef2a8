"""A channel: who hears the same messages, and the batch of this tick.

A member that keeps up needs no position in the channel's stream: what it was offered is the difference of running
totals. One that is behind has a cursor into the backlog. Nothing here knows a socket: `ready` maps a member to what
takes its bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastserver.backlog import SEGMENT, Cursor, Link, Segment
from fastserver.fastpath import Batch, Collector, Member

if TYPE_CHECKING:
    from asyncio import WriteTransport

    from fastserver.peer import Peer
    from fastserver.server import Server


class Channel(Collector):
    """A set of peers that hear the same messages in the same order.

    `broadcast` and `peers` are for everyone; the rest is for the flush.
    """

    __slots__ = ("__weakref__", "_server", "behind", "name")

    def __init__(self, name: str, server: Server | None = None) -> None:
        super().__init__()
        self.name = name
        self._server = server
        self.behind: set[Member] = set()

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

    def _keep(self, batch: Batch) -> None:
        start = batch.start
        begun = self._append(start, self.messages - batch.messages, batch)
        for member in batch.senders:
            if member in self.behind and member.cursor is not None:
                for first, last, count in member.own:
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
