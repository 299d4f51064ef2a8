"""The account of a peer: what it was offered, what the kernel took, what is pending, what was dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, cast

from fastserver.fanout.backlog import Part
from fastserver.fanout.batch import Member
from fastserver.kernel import kernel_memory, unacknowledged
from fastserver.peers.endpoint import Endpoint
from fastserver.peers.link import TRANSPORT, Link

if TYPE_CHECKING:
    from fastserver.fanout.batch import Collector
    from fastserver.fanout.outbox import Outbox
    from fastserver.framing.framing import Splitter
    from fastserver.peers.hub import Hub
    from fastserver.peers.peer import Peer

NOTHING: Final[tuple[Sequence[Part], int]] = ((), 0)
"""No parts, with no messages in them."""

FEW: Final = 4
"""Memberships up to which looking through them is quick, and a dict would be three times as large."""


class Account(Endpoint):
    """The books of one connection, whose `link` is the way to the kernel.

    What is delivered is not counted but follows: offered less pending less dropped.
    """

    __slots__ = ("_dropped", "_held", "_members", "_offered", "outbox", "skipped", "transport", "unsent")

    transport: asyncio.Transport
    hub: Hub[Peer]

    def __init__(self, hub: Hub[Peer], splitter: Splitter) -> None:
        super().__init__(hub, splitter)
        self._members: tuple[Member, ...] | dict[Collector, Member] = ()  # a dict, where they are more than `FEW`
        self.outbox: Outbox | None = None
        """What waits for it and its link was not given; None while it keeps up."""
        self.skipped = 0
        """Messages among those it will not get that it had to miss because it was too far behind."""
        self._dropped = (0, 0)
        self._offered = (0, 0)  # by channels that it left, and by no channel
        # What the link was given last and has not passed on whole: the parts and the messages in them.
        self._held: tuple[Sequence[Part], int] = NOTHING
        self.unsent = 0
        """Bytes at the end of `held` that the kernel has not taken."""

    @property
    def link(self) -> Link:
        """Its way to the kernel."""
        return TRANSPORT if self.descriptor < 0 else self.hub.link

    @property
    def held(self) -> Sequence[Part]:
        """The parts that its link was given last and has not passed on whole."""
        return self._held[0]

    @property
    def members(self) -> Collection[Member]:
        """Where it hears."""
        members = self._members
        return members.values() if isinstance(members, dict) else members

    def member_of(self, channel: Collector) -> Member | None:
        """Its membership of `channel`; None if it does not hear it."""
        members = self._members
        if isinstance(members, dict):
            return members.get(channel)
        for member in members:
            if member.channel is channel:
                return member
        return None

    @property
    def pending_bytes(self) -> int:
        """Bytes offered that the kernel has not taken, ours and the link's."""
        size = self._left()
        return size if self.outbox is None else size + self.outbox.pending[1]

    @property
    def dropped(self) -> tuple[int, int]:
        """Messages and bytes it was offered and will not get."""
        messages, size = self._dropped
        if self.missing:
            for member in self.members:
                more, bytes_more = member.offered
                messages += more
                size += bytes_more
        return messages, size

    @property
    def missing(self) -> bool:
        """Whether it gets nothing of what is flushed now, in any of its channels."""
        for member in self.members:
            return member.missing
        return False

    @property
    def delivered_bytes(self) -> int:
        """Bytes that the kernel took."""
        return self.offered()[1] - self.pending_bytes - self.dropped[1]

    @property
    def acknowledged_bytes(self) -> int:
        """Bytes that the other system acknowledged, as far as can be told: progress finer than what the kernel takes,
        which takes in lumps of a third of its send buffer."""
        held = 0 if self.descriptor < 0 else unacknowledged(self.descriptor)
        return max(0, self.delivered_bytes - held)

    @property
    def kernel_bytes(self) -> int:
        """Memory that the kernel holds of what it was sent and has not taken, as far as can be told."""
        return 0 if self.descriptor < 0 else kernel_memory(self.descriptor)

    def kept(self) -> dict[int, int]:
        """Whatever is in memory so that it can be given to this peer: the identity of each thing, and its bytes."""
        kept = {}
        for part in self._held[0]:
            blob = cast(bytes, part.obj) if isinstance(part, memoryview) else part
            kept[id(blob)] = len(blob)
        if self.outbox is not None:
            for segment in self.outbox.segments():
                kept[segment.identity] = segment.cost
        return kept

    def largest_pending(self) -> int:
        """Bytes that some message pending has at least."""
        if self.outbox is None:
            return 0
        return max(self.outbox.largest(), self.outbox.given if self._left() else 0)

    def hold(self, parts: Sequence[Part], messages: int) -> None:
        """Its link could not pass on all of `parts`, which hold that many messages."""
        self._held = (parts, messages) if parts else NOTHING

    def enter(self, member: Member) -> None:
        """Be `member` of its channel, of which it is none."""
        members = self._members
        if isinstance(members, dict):
            members[member.channel] = member
        elif len(members) < FEW:
            self._members = (*members, member)
        else:
            self._members = {one.channel: one for one in (*members, member)}

    def quit(self, member: Member) -> None:
        """Be `member` no more, and keep in the books what it was offered. What waits for it still does."""
        member.channel.leave(member)
        messages, size = member.offered
        if member.missing:
            self.skip(messages, size)
        self.offer(messages, size)
        members = self._members
        if isinstance(members, dict):
            del members[member.channel]
        else:
            self._members = tuple([one for one in members if one is not member])

    def offer(self, messages: int, size: int) -> None:
        """It is given that much past all channels."""
        self._offered = (self._offered[0] + messages, self._offered[1] + size)

    def skip(self, messages: int, size: int) -> None:
        """It misses that much because it is too far behind."""
        self.skipped += messages
        self.drop(messages, size)

    def drop(self, messages: int, size: int) -> None:
        """That much of what it was offered it will not get."""
        self._dropped = (self._dropped[0] + messages, self._dropped[1] + size)

    def lose(self, messages: int, size: int) -> None:
        """It is offered that much past all channels, and will not get it."""
        dropped = (self._dropped[0] + messages, self._dropped[1] + size)
        self.offer(messages, size)
        self._dropped = dropped

    def drop_unheld(self) -> None:
        """What is pending and its link has not been given will not be delivered."""
        outbox, self.outbox = self.outbox, None
        if outbox is not None:
            self.drop(*outbox.pending)

    def drop_pending(self, splitter: Splitter) -> None:
        """Nothing that is pending will be delivered. `splitter` is a new one of its framing."""
        try:
            self.drop(*self.pending(splitter))
        finally:
            self._held = NOTHING
            self.outbox = None
            self.leave_all()

    def leave_all(self) -> None:
        """Be offered nothing more."""
        for member in [*self.members]:
            self.quit(member)

    def offered(self) -> tuple[int, int]:
        """Messages and bytes that flushes brought to it."""
        messages, size = self._offered
        for member in self.members:
            more, bytes_more = member.offered
            messages += more
            size += bytes_more
        return messages, size

    def pending(self, splitter: Splitter) -> tuple[int, int]:
        """Messages and bytes pending. `splitter` is a new one of its framing."""
        left = self._left()
        messages, size = (0, 0) if self.outbox is None else self.outbox.pending
        size += left
        if not left:
            return messages, size
        # A message is pending until its last byte is taken, so what counts is how many are whole in what
        # was taken. A splitter of the framing knows; what was given begins and ends between messages.
        parts, held = self._held
        taken = sum(map(len, parts)) - left
        whole = 0
        for part in parts:
            splitter.feed(part[:taken])
            whole += splitter.count
            taken -= len(part)
            if taken <= 0:
                break
        return messages + held - whole, size

    def _left(self) -> int:
        """Bytes its link still holds, as far as is known: a transport that is closing does not tell."""
        if self._held is NOTHING:
            return 0
        if self.descriptor < 0 and not self.transport.is_closing():
            self.unsent = self.transport.get_write_buffer_size()
        return self.unsent
