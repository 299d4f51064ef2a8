"""What a channel collects in a tick, the batch it becomes, and who is to get it.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from fastserver.fanout.backlog import cut

if TYPE_CHECKING:
    from asyncio import WriteTransport
    from collections.abc import Sequence

    from fastserver.fanout.backlog import Cursor, Link, Part

MAX_READ: Final = 256 * 1024
"""Bytes that one read brings at most: all messages of a read but the first lie whole in it."""


FRAMES: Final = itemgetter(1)
"""Of a piece. A list comprehension instead, compiled by Cython 3.3.1, frees frames twice where it finds no memory."""


class Member:
    """A peer in a channel: since when, what it sent itself, and its cursor while something waits for it there.

    One that is `missing` is offered what is flushed and gets none of it.
    """

    __slots__ = (
        "channel",
        "cursor",
        "descriptor",
        "missing",
        "own_bytes",
        "own_end",
        "own_messages",
        "own_more",
        "own_start",
        "peer",
        "since_bytes",
        "unoffered",
    )

    def __init__(self, channel: Collector, peer: Any, missing: bool = False) -> None:
        self.channel: Any = channel
        self.peer = peer
        self.descriptor: int = peer.link.descriptor
        self.missing = missing
        self.since_bytes = channel.bytes
        self.unoffered = channel.messages
        """The channel's messages that were none for it: from before it joined, and its own."""
        self.own_bytes = 0
        self.cursor: Cursor | None = None
        # Where in the batch that is flushed its own frames lie, and how many: nowhere if the end is 0.
        self.own_start = self.own_end = self.own_messages = 0
        self.own_more: list[tuple[int, int, int]] | None = None  # behind those, if there are more places

    @property
    def offered(self) -> tuple[int, int]:
        """Messages and bytes of others that flushes brought to it since it joined."""
        return self.channel.messages - self.unoffered, self.channel.bytes - self.since_bytes - self.own_bytes

    @property
    def own(self) -> list[tuple[int, int, int]]:
        """Where in the batch that is flushed its own frames lie (start, end, messages; ascending)."""
        if not self.own_end:
            return []
        return [(self.own_start, self.own_end, self.own_messages), *(self.own_more or ())]

    def _sent(self, start: int, end: int, messages: int, run: int) -> None:
        """Frames of its own lie from `start` to `end` of the batch, in a run that begins at `run`."""
        more = self.own_more
        if not self.own_end:
            self.own_start, self.own_end, self.own_messages = start, end, messages
        elif more is None and self.own_end == start and start > run:  # it does not reach across runs
            self.own_end = end
            self.own_messages += messages
        elif more is None:
            self.own_more = [(start, end, messages)]
        else:
            first, last, before = more[-1]
            if last == start and start > run:
                more[-1] = (first, end, before + messages)
            else:
                more.append((start, end, messages))
        self.own_bytes += end - start
        self.unoffered += messages

    def _not_sent(self) -> None:
        """There is no such batch. To undo it needs no memory."""
        self.own_bytes -= self.own_end - self.own_start
        self.unoffered -= self.own_messages
        for start, end, messages in self.own_more or ():
            self.own_bytes -= end - start
            self.unoffered -= messages
        self.own_start = self.own_end = self.own_messages = 0
        self.own_more = None


class Batch:
    """What a channel collected in one tick: the frames of all senders, joined in order. It is valid for one flush.

    `start` is the position of its first byte in the channel, `senders` are those to be left out where their own frames
    are. A run is what was published without a call for another channel in between; the order of its one run is
    `order`, or there are several `runs`. Some message in it has at least `largest` bytes. To keep the batch for those
    that are behind took `cost` bytes beside its own.
    """

    __slots__ = ("blob", "channel", "cost", "largest", "messages", "order", "senders", "several", "start")

    channel: Any
    start: int
    blob: bytes
    messages: int
    largest: int
    cost: int
    senders: list[Member]
    order: int
    several: list[tuple[int, int, int]]

    @property
    def runs(self) -> list[tuple[int, int, int]]:
        """Of each run: its order among all of the server, where it begins in `blob`, how many messages lie before."""
        return self.several or [(self.order, 0, 0)]

    def to(self, member: Member) -> tuple[Sequence[Part], int]:
        """What `member` is to receive, and how many messages that is."""
        own = member.own
        if not own:
            return (self.blob,), self.messages
        return cut(memoryview(self.blob), 0, own), self.messages - sum([count for _, _, count in own])

    def close(self) -> None:
        """It was flushed."""
        for sender in self.senders:
            sender.own_end = 0
            sender.own_more = None


class Collector:
    """What a channel collects in a tick, and who is to get it. `Channel` is one."""

    __slots__ = ("_tail", "behind", "bytes", "idle", "messages", "order", "pieces", "ready", "runs", "size")

    def __init__(self) -> None:
        self.ready: dict[Member, WriteTransport] = {}
        """Members that keep up, and what takes their bytes. Its bound `write` would be 64 bytes more for each."""
        self.behind: dict[Member, None] = {}
        """Members that something waits for here: each has a cursor."""
        self.idle: dict[Member, None] = {}
        """Members that are behind, but not here: nothing waits for them."""
        self.messages = 0
        """Messages flushed since the channel began."""
        self.bytes = 0
        """Bytes flushed since the channel began: the position of its end."""
        self.size = 0
        """Bytes collected since the last flush."""
        self.pieces: list[tuple[Member | None, bytes, int]] = []
        """What was collected since the last flush: sender (None: leave nobody out), frames, messages. Who stands there
        without frames is left out of the next that are, too."""
        self.order = 0
        """The order of the run that is being collected (see Batch)."""
        self.runs: list[tuple[int, int]] = []
        """If there is more than one in what was collected: the order of each, and which piece begins it."""
        self._tail: Link | None = None  # of the backlog, while something waits for some member

    def batch(self) -> Batch:
        """What was collected since the last flush, which is now flushed; members behind find it ahead.

        Where it fails, for want of memory, all is as it was.
        """
        pieces = self.pieces
        blob = pieces[0][1] if len(pieces) == 1 else b"".join(map(FRAMES, pieces))
        starts = self.runs
        several: list[tuple[int, int, int]] = []
        senders: list[Member] = []
        others: list[Any] = []
        at = first = messages = number = run = largest = 0
        begins = 0 if starts else -1
        try:
            for sender, frames, count in pieces:
                while number == begins:
                    several.append((starts[run][0], at, messages))
                    first = at
                    run += 1
                    begins = starts[run][1] if run < len(starts) else -1
                size = len(frames)
                if not size:
                    others.append(sender)
                    number += 1
                    continue
                end = at + size
                if others:
                    for other in others:
                        if not other.own_end:
                            senders.append(other)
                        other._sent(at, end, count, first)
                    others.clear()
                if sender is not None:
                    if not sender.own_end:
                        senders.append(sender)
                    sender._sent(at, end, count, first)
                if count > 1:
                    size -= MAX_READ  # all but the first lie whole in one read
                if size > largest:
                    largest = size
                at = end
                messages += count
                number += 1  # typed, as no enumerate is
            batch = Batch.__new__(Batch)  # all of it typed, nothing to pass through a call
            batch.channel = self
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
                sender._not_sent()
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

    def _begin_run(self, order: int) -> None:
        """What is published next belongs to a run of its own; something was collected before."""
        if not self.runs:
            self.runs.append((self.order, 0))
        self.runs.append((order, len(self.pieces)))
        self.order = order

    def _keep(self, batch: Batch) -> None:
        """Append `batch` to the backlog, if something of it is to wait."""
        raise NotImplementedError

    def _give_up(self) -> None:
        """The backlog could not be appended to, and may be in pieces: close all those that are behind."""
        raise NotImplementedError
