"""The fast path: what a message costs between the read that brings it and the writes that pass it on.

`Endpoint`, `Collector` and `Tick` are the bases of `Peer`, `Channel` and `Flush`, which add what happens more rarely.
This file is the source of the compiled `fastserver._fastpath` too, whose types stand in
`ext/fastserver._fastpath.pxd`: a field or method that is new here has to be named there. As Python it serves where no
compiler is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastserver.backlog import cut, past
from fastserver.errors import FrameError
from fastserver.pause import Pause

if TYPE_CHECKING:
    from asyncio import WriteTransport
    from collections.abc import Callable, Sequence

    from fastserver.backlog import Cursor, Link, Part
    from fastserver.errors import CloseReason
    from fastserver.framing import Splitter
    from fastserver.throttle import Throttle

MAX_BATCH: Final = 1024 * 1024
"""Bytes collected for a channel after which it is flushed without waiting for the end of the tick."""

READ_SIZE: Final = 256_000
"""Bytes of uvloop's read buffer. A read that fills it is one of up to 32 in the same poll."""


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
    """What a channel collects in a tick, and who is to get it."""

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
            number += 1
        batch = Batch.__new__(Batch)  # all of it typed, nothing to pass through a call
        batch.channel = self
        batch.start = self.bytes
        batch.blob = pieces[0][1] if number == 1 else b"".join([piece[1] for piece in pieces])
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


class Stretch:
    """Messages of one sender that were relayed one after another and lie so in what it sent: they become one piece."""

    __slots__ = ("channel", "end", "frames", "messages", "sender", "start")

    def __init__(self, channel: Collector, sender: Member | None, frames: bytes, start: int, end: int) -> None:
        self.channel = channel
        self.sender = sender
        self.frames = frames
        self.start = start
        self.end = end
        self.messages = 1


class Tick:
    """Collects what is published in a tick, and writes it at its end.

    A tick ends with a turn of the loop, or lasts `interval` seconds. `send_all` is that of `fastserver.sending`;
    `call_soon`, `call_later` and `time` are the loop's, set when there is one.
    """

    __slots__ = (
        "_broken",
        "_dirty",
        "_end",
        "_flushed",
        "_interval",
        "_last",
        "_order",
        "_resting",
        "_scheduled",
        "_send_all",
        "_speaker",
        "_stalled",
        "_stretch",
        "_writing",
        "began",
        "behind",
        "call_later",
        "call_soon",
        "relaying",
        "room",
        "time",
    )

    def __init__(self, interval: float | None, send_all: Callable[..., list[tuple[Member, int]]]) -> None:
        self.call_soon: Callable[..., object] = _not_started
        self.call_later: Callable[..., object] = _not_started
        self.time: Callable[[], float] = _not_started
        self.relaying: Collector | None = None
        """Where what peers send is published at once, by who sent it; None if someone is to see it before."""
        self.behind: set[Any] = set()
        """Peers that have not taken all they were offered."""
        self.room = float("inf")
        """Bytes that can be received and flushed before what is held for peers is to be added up."""
        self.began = 0.0
        """Loop time at which something was first collected in this tick, seconds."""
        self._interval = interval
        self._send_all = send_all
        self._end = self.end  # made once
        self._scheduled = False
        self._dirty: list[Any] = []
        self._stretch: Stretch | None = None  # published when something else is, or the tick ends
        self._last: Collector | None = None
        self._order = 0
        self._speaker = 0  # the number of the peer that alone was heard in the last tick
        self._resting: list[Any] = []
        self._writing = False
        self._stalled: list[Any] = []
        self._broken: list[Any] = []
        self._flushed = 0

    def publish(self, channel: Collector, sender: Member | None, frames: bytes, messages: int) -> None:
        """Bring `frames` (complete, that many messages) to all of `channel`; not to `sender`, unless None."""
        if self._stretch is not None:
            self._publish_stretch()
        if channel is not self._last:
            self._last = channel
            self._order += 1
            if channel.pieces:
                channel._begin_run(self._order)
            else:
                channel.order = self._order
        if not channel.pieces:
            self._dirty.append(channel)
            if not self._scheduled:
                self._schedule()
        channel.pieces.append((sender, frames, messages))
        channel.size += len(frames)
        if channel.size >= MAX_BATCH:
            self.run()

    def pass_on(self, sender: Endpoint, frames: bytes, messages: int) -> None:
        """`publish` what `sender` sent, where it is relayed at once; one who alone was heard last is not kept waiting.

        To wait for others that were readable in the same poll takes a third of what such a message costs us.
        """
        channel = self.relaying
        assert channel is not None
        if self._scheduled:
            self._speaker = 0  # this tick has heard several
            self.publish(channel, sender.member, frames, messages)
        elif sender.id == self._speaker and self._interval is None:
            self.began = self.time()
            self._scheduled = True  # it ends here
            self.publish(channel, sender.member, frames, messages)
            self._scheduled = False
            self.run()
        else:
            self._speaker = sender.id
            self.publish(channel, sender.member, frames, messages)

    def relay(self, channel: Collector, sender: Member | None, frames: bytes, start: int, end: int) -> None:
        """`publish` one message, `frames[start:end]`."""
        stretch = self._stretch
        if (
            stretch is not None
            and stretch.frames is frames
            and stretch.end == start
            and stretch.sender is sender
            and stretch.channel is channel
        ):
            stretch.end = end
            stretch.messages += 1
            return
        if stretch is not None:
            self._publish_stretch()
        self._stretch = Stretch(channel, sender, frames, start, end)
        if not self._scheduled:
            self._schedule()

    def rest(self, sender: Any) -> None:
        """Read `sender` no further until the tick is flushed: its last read came full."""
        self._resting.append(sender)
        sender.pause_reading(Pause.TICK)
        if not self._scheduled:
            self._schedule()

    def run(self) -> None:
        """Write what was collected, now."""
        if self._stretch is not None:
            self._publish_stretch()
        if not self._dirty:
            return
        flushed = self._flushed
        if len(self._dirty) == 1:
            first: Collector = self._dirty[0]
            batch = first.batch()
            self._dirty.clear()
            self._flushed += len(batch.blob)
            self._writing = True
            self._write(batch)
            self._writing = False
            if self._stalled or self._broken:
                self._settle([batch])
            batch.close()
        else:
            batches = [channel.batch() for channel in self._dirty]
            self._dirty.clear()
            self._writing = True
            self._write_several(batches)
            self._writing = False
            if self._stalled or self._broken:
                self._settle(batches)
            for batch in batches:
                self._flushed += len(batch.blob)
                batch.close()
        if self.behind:
            self._look_after(self._flushed - flushed)

    def end(self) -> None:
        """The tick is over: write what was collected, and read on where that was waited for."""
        self._scheduled = False
        self.run()
        if self._resting:
            resting, self._resting = self._resting, []
            for sender in resting:
                sender.resume_reading(Pause.TICK)

    def _publish_stretch(self) -> None:
        one, self._stretch = self._stretch, None
        if one is not None:
            self.publish(one.channel, one.sender, one.frames[one.start : one.end], one.messages)

    def _schedule(self) -> None:
        self._scheduled = True
        self.began = self.time()
        if self._interval is None:
            self.call_soon(self._end)
        else:
            self.call_later(self._interval, self._end)

    def _write(self, batch: Batch) -> None:
        for member, sent in self._send_all(batch.channel.ready, batch.blob):
            parts: Sequence[Part] = past(batch.to(member)[0], sent)
            if parts:
                self._write_parts(member.peer, parts)

    def _write_parts(self, peer: Any, parts: Sequence[Part]) -> None:
        """Give the transport of `peer` what it is to pass on."""
        raise NotImplementedError

    def _write_several(self, batches: list[Batch]) -> None:
        """Write batches of several channels."""
        raise NotImplementedError

    def _settle(self, batches: list[Batch]) -> None:
        """Do what is due for those that did not take all of `batches`, which they were given. Nothing of it flushes."""
        raise NotImplementedError

    def _look_after(self, flushed: int) -> None:
        """Look whether those that are behind are too far behind, `flushed` bytes later."""
        raise NotImplementedError


class Endpoint:
    """What a peer does with the bytes it sends, and the state of its connection."""

    __slots__ = (
        "_clock",
        "_closing",
        "_paused",
        "_server",
        "_since",
        "_tick",
        "bytes_in",
        "closed",
        "descriptor",
        "ended",
        "id",
        "last_message",
        "member",
        "messages_in",
        "reason",
        "splitter",
        "stuck",
        "throttle",
    )

    def __init__(self, server: Any, splitter: Splitter) -> None:
        self.id = 0
        """Its number; the server gives each peer another."""
        self.reason: CloseReason | None = None
        """Why it is closing or closed; None while it is heard."""
        self.member: Member | None = None
        """It, in the channel that everyone is in who hears."""
        self.throttle: Throttle | None = None
        """What keeps it to its rates, if there are any."""
        self.splitter = splitter
        self.descriptor = -1
        """The socket to which its transport passes on what it is given, as it is; -1 if there is none such."""
        self.ended = False
        """Its stream has ended: it sends nothing more."""
        self.stuck = False
        """Its transport holds bytes that the kernel has not taken."""
        self.closed = False
        """Its connection is gone."""
        self.messages_in = 0
        self.bytes_in = 0
        self.last_message: float | None = None
        """Loop time of its last read that completed a message, seconds."""
        self._server = server
        self._tick: Tick = server.flush
        self._closing = False
        self._paused: int = Pause.NONE
        # While it is read, how much `read_time` is behind the loop's, seconds; while it is not, where that stands.
        self._clock = 0.0
        self._since = 0.0

    def data_received(self, data: bytes) -> None:
        if self.reason is not None:
            return  # closing: read on, so that the end is not a reset, but hear nothing
        size = len(data)
        self.bytes_in += size
        tick = self._tick
        try:
            frames = self.splitter.feed(data)
        except FrameError as error:
            self._frame_error(error)
            return
        messages = 0
        if frames:
            messages = self.splitter.count
            self.messages_in += messages
            if tick.relaying is None:
                self.last_message = tick.time()
                self._server.receive(self, frames, messages)
            else:
                tick.pass_on(self, frames, messages)
                self.last_message = tick.began
        tick.room -= size
        if size >= READ_SIZE or tick.behind or self.throttle is not None or tick.room < 0:
            self._brake(size, messages)

    def _brake(self, size: int, messages: int) -> None:
        """It was read: `size` bytes that completed that many messages. Read it no further, if there is cause."""
        raise NotImplementedError

    def _frame_error(self, error: FrameError) -> None:
        """It sent what is no frame."""
        raise NotImplementedError


def _not_started(*_: object) -> Any:
    raise RuntimeError("the server has not started")
