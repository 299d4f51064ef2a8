"""What a channel collects in a tick, the batch it becomes, and who is to get it.

Part of the fast path (see `fastserver.fastpath`): compiled as `fastserver._batch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastserver.backlog import cut

if TYPE_CHECKING:
    from asyncio import WriteTransport
    from collections.abc import Sequence

    from fastserver.backlog import Cursor, Link, Part


class Member:
    """A peer in a channel: since when, what it sent itself, and its cursor while it is behind.

    One that is `missing` is offered what is flushed and gets none of it.
    """

    __slots__ = (
        "channel",
        "cursor",
        "descriptor",
        "left",
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
        self.descriptor: int = peer.descriptor
        self.missing = missing
        self.since_bytes = channel.bytes
        self.unoffered = channel.messages
        """The channel's messages that were none for it: from before it joined, and its own."""
        self.left: tuple[int, int] | None = None
        """The channel's totals, messages and bytes, when it left; None while it is a member."""
        self.own_bytes = 0
        self.cursor: Cursor | None = None
        # Where in the batch that is flushed its own frames lie, and how many: nowhere if the end is 0.
        self.own_start = self.own_end = self.own_messages = 0
        self.own_more: list[tuple[int, int, int]] | None = None  # behind those, if there are more places

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

    @property
    def own(self) -> list[tuple[int, int, int]]:
        """Where in the batch that is flushed its own frames lie (start, end, messages; ascending)."""
        if not self.own_end:
            return []
        return [(self.own_start, self.own_end, self.own_messages), *(self.own_more or ())]

    def _sent(self, start: int, end: int, messages: int, run: int) -> None:
        """Frames of its own lie from `start` to `end` of the batch, in a run that begins at `run`."""
        self.own_bytes += end - start
        self.unoffered += messages
        if not self.own_end:
            self.own_start, self.own_end, self.own_messages = start, end, messages
        elif self.own_more is None and self.own_end == start and start > run:  # it does not reach across runs
            self.own_end = end
            self.own_messages += messages
        else:
            more = self.own_more = self.own_more or []
            if more and more[-1][1] == start and start > run:
                start, _, before = more.pop()
                messages += before
            more.append((start, end, messages))


class Batch:
    """What a channel collected in one tick: the frames of all senders, joined in order. It is valid for one flush.

    `start` is the position of its first byte in the channel, `senders` are those to be left out where their own frames
    are. A run is what was published without a call for another channel in between; the order of its one run is
    `order`, or there are several `runs`.
    """

    __slots__ = ("blob", "channel", "messages", "order", "senders", "several", "start")

    channel: Any
    start: int
    blob: bytes
    messages: int
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

    def ordered(self, member: Member) -> list[tuple[int, Part]]:
        """What `member` is to receive, each part with its order."""
        view = memoryview(self.blob)
        ends = [start for _, start, _ in self.runs[1:]]
        parts: list[tuple[int, Part]] = []
        for (order, start, _), end in zip(self.runs, [*ends, len(view)], strict=True):
            ranges = [one for one in member.own if start <= one[0] < end]
            parts += [(order, part) for part in cut(view[:end], start, ranges)]
        return parts

    def close(self) -> None:
        """It was flushed."""
        for sender in self.senders:
            sender.own_end = 0
            sender.own_more = None


class Collector:
    """What a channel collects in a tick, and who is to get it. `Channel` is one."""

    __slots__ = ("_tail", "bytes", "messages", "order", "pieces", "ready", "runs", "size")

    def __init__(self) -> None:
        self.ready: dict[Member, WriteTransport] = {}
        """Members that keep up, and what takes their bytes. Its bound `write` would be 64 bytes more for each."""
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
        """If there is more than one in what was collected: the order of each, and which piece begins it."""
        self._tail: Link | None = None  # of the backlog, while some member is behind

    def batch(self) -> Batch:
        """What was collected since the last flush, which is now flushed; members behind find it ahead."""
        pieces, self.pieces = self.pieces, []
        blob = pieces[0][1] if len(pieces) == 1 else b"".join([piece[1] for piece in pieces])
        starts = self.runs
        several: list[tuple[int, int, int]] = []
        senders: list[Member] = []
        at = first = messages = number = run = 0
        begins = 0 if starts else -1
        for sender, frames, count in pieces:
            if number == begins:
                several.append((starts[run][0], at, messages))
                first = at
                run += 1
                begins = starts[run][1] if run < len(starts) else -1
            end = at + len(frames)
            if sender is not None:
                if not sender.own_end:
                    senders.append(sender)
                sender._sent(at, end, count, first)
            at = end
            messages += count
            number += 1  # noqa: SIM113  # typed, as no enumerate is
        batch = Batch.__new__(Batch)  # all of it typed, nothing to pass through a call
        batch.channel = self
        batch.start = self.bytes
        batch.blob = blob
        batch.messages = messages
        batch.senders = senders
        batch.order = self.order
        batch.several = several
        self.size = 0
        self.bytes += at
        self.messages += messages
        if starts:
            self.runs = []
        if self._tail is not None:
            self._keep(batch)
        return batch

    def _begin_run(self, order: int) -> None:
        """What is published next belongs to a run of its own; something was collected before."""
        if not self.runs:
            self.runs.append((self.order, 0))
        self.order = order
        self.runs.append((order, len(self.pieces)))

    def _keep(self, batch: Batch) -> None:
        """Append `batch` to the backlog."""
        raise NotImplementedError
