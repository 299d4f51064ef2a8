"""A view: a channel's messages in one wire form, and the members that speak it. In a tick it collects pieces, which
become a batch.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.fanout.backlog import Backlog
from fastserver.fanout.batch import Batch
from fastserver.fanout.member import Member

if TYPE_CHECKING:
    from asyncio import WriteTransport

    from fastserver.fanout.member import Group, Receiver
    from fastserver.framing.framing import Framing

MAX_READ: Final = 256 * 1024
"""Bytes that one read brings at most: all messages of a read but the first lie whole in it."""


FRAMES: Final = itemgetter(1)
"""Of a piece. In no compiled module are lists made by comprehension: where Cython 3.3.1 finds no memory to append, the
value is freed twice."""


class View:
    """The messages of `channel` in the wire form of `framing`; without a channel, those for one peer alone.

    A member that keeps up needs no position: what it was offered is the difference of running totals. One for which
    something waits has a cursor into the backlog, which its peer's outbox takes from; one that is behind in other
    channels alone is `idle`. Everything is counted in the view's own bytes.
    """

    __slots__ = (
        "__weakref__",
        "backlog",
        "behind",
        "bytes",
        "channel",
        "framing",
        "idle",
        "members",
        "messages",
        "order",
        "others",
        "pieces",
        "ready",
        "runs",
        "size",
    )

    def __init__(self, framing: Framing, channel: Group | None = None) -> None:
        self.framing = framing
        self.channel = channel
        self.others: tuple[View, ...] = ()
        """The other views of its channel that have members."""
        self.members = 0
        """How many members it has, those that are missing included."""
        self.ready: dict[Member, WriteTransport] = {}
        """Members that keep up, and what takes their bytes. Its bound `write` would be 64 bytes more for each."""
        self.behind: dict[Member, None] = {}
        """Members for which something waits here: each has a cursor."""
        self.idle: dict[Member, None] = {}
        """Members that are behind, but not here: nothing waits for them."""
        self.messages = 0
        """Messages flushed since it began."""
        self.bytes = 0
        """Bytes flushed since it began: the position of its end."""
        self.size = 0
        """Bytes collected since the last flush."""
        self.pieces: list[tuple[Member | None, bytes, int]] = []
        """The pieces collected since the last flush: sender (None: leave nobody out), frames, messages. A sender that
        stands there without frames is left out of the next that are, too."""
        self.order = 0
        """The order of the run that is being collected (see Batch)."""
        self.runs: list[tuple[int, int]] = []
        """If there is more than one in what was collected: the order of each, and which piece begins it."""
        self.backlog: Backlog | None = None
        """Keeps batches while something waits for some member."""

    # Members.

    def join(self, peer: Receiver, transport: WriteTransport) -> Member:
        """A new member that is offered everything flushed from now on."""
        member = Member(self, peer)
        self._enter()
        self.ready[member] = transport
        return member

    def join_missing(self, peer: Receiver) -> Member:
        """A new member that is offered everything flushed from now on, and gets none of it."""
        member = Member(self, peer, True)
        self._enter()
        return member

    def leave(self, member: Member) -> None:
        """Offer `member` nothing more. What it was offered before, its peer's outbox still takes."""
        self.ready.pop(member, None)
        self.idle.pop(member, None)
        cursor, member.cursor = member.cursor, None
        if cursor is not None:
            cursor.stop(self.bytes, self.messages)
            self._took(member)
        self.members -= 1
        if not self.members and self.channel is not None:
            self.channel.regroup()

    def fall_behind(self, member: Member) -> None:
        """`member` has been given all that was flushed; its peer can take no more for now."""
        self.idle[member] = None
        del self.ready[member]

    def emptied(self, member: Member) -> None:
        """Of `member`, which is behind, nothing waits here any more."""
        self.idle[member] = None
        member.cursor = None
        self._took(member)

    def catch_up(self, member: Member, transport: WriteTransport) -> None:
        """`member`, of whom nothing waits here, keeps up again."""
        self.ready[member] = transport
        self.idle.pop(member, None)

    # Messages.

    def begin_run(self, order: int) -> None:
        """Have what is collected next belong to the run of that order."""
        if self.pieces:
            if not self.runs:
                self.runs.append((self.order, 0))
            self.runs.append((order, len(self.pieces)))
        self.order = order

    def batch(self) -> Batch:
        """A batch of everything collected since the last flush. Members that are behind find it ahead of them.

        Where it fails, for want of memory, all is as it was.
        """
        pieces = self.pieces
        blob = pieces[0][1] if len(pieces) == 1 else b"".join(map(FRAMES, pieces))
        starts = self.runs
        senders: list[Member] = []
        # Rare, and none of them is made for nothing.
        several: list[tuple[int, int, int]] | None = [] if starts else None
        others: list[Member] | None = None
        at = first = messages = number = run = largest = 0
        begins = 0 if starts else -1
        try:
            for sender, frames, count in pieces:
                while number == begins and several is not None:
                    several.append((starts[run][0], at, messages))
                    first = at
                    run += 1
                    begins = starts[run][1] if run < len(starts) else -1
                size = len(frames)
                if not size:
                    if others is None:
                        others = []
                    if sender is not None:
                        others.append(sender)
                    number += 1
                    continue
                end = at + size
                if others:
                    for other in others:
                        if not other.own_end:
                            senders.append(other)
                        other.sent(at, end, count, first)
                    others.clear()
                if sender is not None:
                    if not sender.own_end:
                        senders.append(sender)
                    sender.sent(at, end, count, first)
                if count > 1:
                    size -= MAX_READ  # all but the first lie whole in one read
                if size > largest:
                    largest = size
                at = end
                messages += count
                number += 1  # typed, as no enumerate is
            batch = Batch.__new__(Batch)  # all of it typed, nothing to pass through a call
            batch.view = self
            batch.ready = self.ready
            batch.start = self.bytes
            batch.blob = blob
            batch.messages = messages
            batch.largest = largest
            batch.cost = 0
            batch.senders = senders
            batch.order = self.order
            batch.several = several
        except BaseException:
            for sender in senders:
                sender.not_sent()
            raise
        pieces.clear()
        self.size = 0
        self.bytes += at
        self.messages += messages
        if starts:
            starts.clear()
        if self.behind or self.idle:
            try:
                self._keep(batch)
            except BaseException:
                self._give_up()
        return batch

    def discard(self) -> None:
        """Forget what was collected."""
        self.pieces.clear()
        self.runs.clear()
        self.size = 0

    # Its own.

    def _enter(self) -> None:
        if not self.members and self.channel is not None:
            self.members = 1
            try:
                self.channel.regroup()
            except BaseException:
                self.members = 0
                raise
        else:
            self.members += 1

    def _took(self, member: Member) -> None:
        self.behind.pop(member, None)
        if not self.behind:
            self.backlog = None

    def _keep(self, batch: Batch) -> None:
        """Append `batch` to the backlog, if something of it is to wait."""
        woken: list[Member] = []
        for member in self.idle:
            if not member.own_end or member.own_amount[1] < len(batch.blob):
                woken.append(member)
        if woken or self.behind:
            if self.backlog is None:
                self.backlog = Backlog()
            self.backlog.append(batch, self.messages - batch.messages, woken)
            for member in woken:
                self.behind[member] = None
                del self.idle[member]

    def _give_up(self) -> None:
        """The backlog could not be appended to, and may be in pieces: close all those that are behind."""
        try:
            for member in (*self.behind, *self.idle):
                member.peer.abort(CloseReason.MEMORY)
        finally:
            self.backlog = None
