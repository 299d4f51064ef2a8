"""The tick: what is published in a turn of the loop, written at its end. What is rarer is for `Flush`, which is one.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from fastserver.clock import Clock
from fastserver.fanout.parts import past
from fastserver.fanout.pause import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastserver.fanout.governors import Brake
    from fastserver.fanout.parts import Part
    from fastserver.fanout.sequencer import Sequencer
    from fastserver.fanout.batch import Batch
    from fastserver.fanout.member import Member
    from fastserver.fanout.view import View

MAX_BATCH: Final = 1024 * 1024
"""Bytes collected for a channel at most, before it is flushed without waiting for the end of the tick."""


NEVER: Final = 1 << 62
"""More bytes than are ever published."""

MAX_PIECES: Final = 16 * 1024
"""Pieces collected after which they are flushed, whatever their size: each costs some hundred bytes beside its own."""


class Stretch:
    """Messages of one sender that were relayed one after another and lie so in what it sent: they become one piece."""

    __slots__ = ("end", "frames", "messages", "number", "sender", "start", "view")

    def __init__(self, view: View, sender: Member | None, frames: bytes, start: int, end: int, number: int) -> None:
        self.view = view
        self.sender = sender
        self.frames = frames
        self.start = start
        self.end = end
        self.messages = 1
        self.number = number


class Tick:
    """Collects what is published in a tick, and writes it at its end.

    Whatever fails in it, for want of memory above all, leaves what was collected as it was, or counts as dropped what
    it was about, or ends the connections concerned. The loop's exception handler is told of it, and not those who
    publish, whom it may not concern.

    A tick ends with a turn of the loop, or lasts `interval` seconds. `send_all` is that of `fastserver.fanout.sending`.
    """

    __slots__ = (
        "_broken",
        "_dirty",
        "_end",
        "_flushed",
        "_interval",
        "_largest",
        "_last",
        "_noted",
        "_order",
        "_pieces",
        "_resting",
        "_scheduled",
        "_send_all",
        "_speaker",
        "_stalled",
        "_stretch",
        "began",
        "behind",
        "brakes",
        "call_later",
        "call_soon",
        "hold_at",
        "most",
        "published",
        "relaying",
        "room",
        "sequencer",
        "shown",
        "skips",
        "time",
    )

    def __init__(self, interval: float | None, send_all: Callable[..., list[tuple[Member, int]]]) -> None:
        self.attach(Clock())  # one that has no loop
        self.relaying = False
        """Whether reads are published at once, by the peers themselves: no handlers get them, and no senders theirs."""
        self.sequencer: Sequencer | None = None
        """Decides the order of what is published; None: the order of the calls is the one."""
        self.shown = False
        """Whether the log shows what is relayed."""
        self.skips = False
        """Whether splitters may leave out messages."""
        self.behind: set[Any] = set()
        """Peers that have not taken all they were offered."""
        self.room = float("inf")
        """Bytes that can be received and flushed before what is held for peers is to be added up."""
        self.brakes: list[Brake[Any]] = []
        """The brakes that are active: each looks at every read."""
        self.began = 0.0
        """Loop time at which something was first collected in this tick, seconds."""
        self.published = 0
        """Bytes that were published, since the server began."""
        self.hold_at = NEVER
        """The total of published bytes that nothing more may pass without asking (see pacing.py)."""
        self.most = MAX_BATCH
        """Bytes collected for a channel after which it is flushed without waiting for the end of the tick."""
        self._interval = interval
        self._send_all = send_all
        self._end = self.end  # made once
        self._scheduled = False
        self._dirty: list[Any] = []  # views, some of them perhaps twice or with nothing collected
        self._pieces = 0  # collected
        self._stretch: Stretch | None = None  # published when something else is, or the tick ends
        self._last: View | None = None
        self._order = 0
        self._speaker = 0  # the number of the peer that alone was heard in the last tick
        self._resting: list[Any] = []
        self._stalled: list[Any] = []
        self._broken: list[Any] = []
        self._noted = False  # that something failed in this tick
        self._flushed = 0
        self._largest = 0  # bytes that a message has at least, among what was flushed since some peer is behind

    def attach(self, clock: Clock) -> None:
        """Use the functions that `clock` has now; to be called again when it is started or stopped."""
        self.time: Callable[[], float] = clock.time  # as fields of C, which the fast path calls
        self.call_later: Callable[..., object] = clock.call_later
        self.call_soon: Callable[..., object] = clock.call_soon

    def publish(self, view: View, sender: Member | None, frames: bytes, messages: int, number: int = 0) -> None:
        """Bring `frames` (complete, that many messages) to all of the channel of `view`, whose framing they have.

        `sender`, a member of `view`, is left out unless it is None; `number` is the id of the peer that sent them, 0
        if none did.
        """
        if self._stretch is not None:
            self._publish_stretch()
        if self.sequencer is not None or view.others:
            self._publish_apart(view, sender, frames, messages, number)
        else:
            self._collect(view, sender, frames, messages)
        if view.size >= self.most or self._pieces >= MAX_PIECES:
            self.run()

    def _collect(self, view: View, sender: Member | None, frames: bytes, messages: int) -> None:
        """Add a piece to `view`. Where it fails nothing was collected."""
        if not self._scheduled:
            self._schedule()
        order = self._order
        if view is not self._last and (
            self._last is None or view.channel is None or view.channel is not self._last.channel
        ):
            order += 1  # a call for another channel: all views of one share the runs
        if view.order != order:
            view.begin_run(order)
        self._order = order
        self._last = view
        if not view.pieces:
            self._dirty.append(view)
        view.pieces.append((sender, frames, messages))
        view.size += len(frames)
        self.published += len(frames)
        self._pieces += 1

    def pass_on(self, number: int, view: View, sender: Member | None, frames: bytes, messages: int) -> None:
        """`publish` what the peer `number` sent, where it is relayed at once. If it alone sent in the last tick too,
        flush at once instead of at the end of the tick.

        To wait for others that were readable in the same poll takes a third of what such a message costs us.
        """
        if self._scheduled:
            self._speaker = 0  # several sent in this tick
            self.publish(view, sender, frames, messages, number)
        elif number == self._speaker and self._interval is None:
            self.began = self.time()
            self._scheduled = True  # it ends here
            try:
                self.publish(view, sender, frames, messages, number)
            finally:
                self._scheduled = False
            self.run()
        else:
            self._speaker = number
            self.publish(view, sender, frames, messages, number)

    def relay(self, view: View, sender: Member | None, frames: bytes, start: int, end: int, number: int = 0) -> None:
        """`publish` one message, `frames[start:end]`."""
        stretch = self._stretch
        if (
            stretch is not None
            and stretch.frames is frames
            and stretch.end == start
            and stretch.sender is sender
            and stretch.view is view
        ):
            stretch.end = end
            stretch.messages += 1
            return
        if stretch is not None:
            self._publish_stretch()
        if not self._scheduled:
            self._schedule()
        self._stretch = Stretch(view, sender, frames, start, end, number)

    def rest(self, sender: Any) -> None:
        """Read `sender` no further until the tick is flushed: its last read came full."""
        if not self._scheduled:
            self._schedule()
        self._resting.append(sender)
        sender.pause_reading(Pause.TICK)

    def run(self) -> None:
        """Write what was collected, now."""
        if self._stretch is not None:
            self._publish_stretch()
        if self._dirty:
            self._write_dirty()
        elif self.sequencer is not None:
            self._submit()

    def _write_dirty(self) -> None:
        batches: list[Any] = [None] * len(self._dirty)  # room first
        made = flushed = 0
        for view in self._dirty:
            if view.pieces:
                try:
                    batches[made] = view.batch()
                    made += 1
                except BaseException as error:
                    self._lose(view, error)
        if made < len(batches):
            del batches[made:]
        self._dirty.clear()
        self._pieces = 0
        try:
            if made == 1:
                self._write(batches[0])
            else:
                self._write_several(batches)
        except BaseException as error:
            self._note(error)
        if self._stalled or self._broken:
            self._settle(batches)
        for batch in batches:
            flushed += len(batch.blob) + batch.cost
            if batch.largest > self._largest:
                self._largest = batch.largest
            batch.close()
        self._flushed += flushed
        if self.behind:
            self._look_after(flushed)
        self._noted = False

    def end(self) -> None:
        """The tick is over: write what was collected, and read on where that was waited for."""
        self._scheduled = False
        try:
            self.run()
        finally:
            if (self._dirty or self._stretch is not None) and not self._scheduled:
                self._schedule()  # it failed before it began
            if self._resting:
                resting, self._resting = self._resting, []
                for sender in resting:
                    sender.resume_reading(Pause.TICK)

    # For what is rare.

    def collect(self, view: View, sender: Member | None, frames: bytes, messages: int) -> None:
        """Add a piece to `view` alone; `sender`, a member of it, is left out. Where it fails nothing was collected."""
        self._collect(view, sender, frames, messages)

    def write_dirty(self) -> None:
        """Write what all views have collected."""
        self._write_dirty()

    def write(self, batch: Batch) -> None:
        """Send `batch` to all members of its view. Raises before anything was sent, if at all."""
        self._write(batch)

    def begin(self) -> None:
        """Have the tick end, if that is not awaited."""
        if self._stretch is not None:
            self._publish_stretch()
        if not self._scheduled:
            self._schedule()

    def _publish_stretch(self) -> None:
        one = self._stretch
        if one is None:
            return
        frames = one.frames[one.start : one.end]
        self._stretch = None
        try:
            if self.sequencer is not None or one.view.others:
                self._publish_apart(one.view, one.sender, frames, one.messages, one.number)
            else:
                self._collect(one.view, one.sender, frames, one.messages)
        except BaseException:
            self._stretch = one
            raise
        if one.view.size >= self.most or self._pieces >= MAX_PIECES:
            self.run()

    def _note(self, error: BaseException) -> None:
        """Something failed: have the loop told of it, once in a tick."""
        if not self._noted:
            self._noted = True
            with suppress(BaseException):  # nobody is left to tell
                self.call_soon(_raise, error)

    def _schedule(self) -> None:
        self.began = self.time()
        if self._interval is None:
            self.call_soon(self._end)
        else:
            self.call_later(self._interval, self._end)
        self._scheduled = True  # only now: where there is no loop, or another thread's, that was refused

    def _write(self, batch: Batch) -> None:
        try:
            rest = self._send_all(batch.view.ready, batch.blob)
        except BaseException:  # before anything was sent
            self._not_written([batch])
            raise
        for member, sent in rest:
            try:
                if sent < 0:
                    self._write_failed(member.peer, -sent)
                    continue
                parts: Sequence[Part] = past(batch.to(member)[0], sent)
                if parts:
                    self._write_parts(member.peer, parts)
            except BaseException as error:
                member.descriptor = -1
                self._fail(member.peer, error)

    def _write_parts(self, peer: Any, parts: Sequence[Part]) -> None:
        """Give the link of `peer` what it is to pass on."""
        raise NotImplementedError

    def _write_failed(self, peer: Any, error: int) -> None:
        """A send to `peer` failed with that error number."""
        raise NotImplementedError

    def _write_several(self, batches: list[Batch]) -> None:
        """Write batches of several views, or none."""
        raise NotImplementedError

    def _not_written(self, batches: list[Batch]) -> None:
        """Nobody was given anything of `batches`: it counts as dropped."""
        raise NotImplementedError

    def _publish_apart(self, view: View, sender: Member | None, frames: bytes, messages: int, number: int) -> None:
        """`publish` where there is a sequencer, or `view` is not the only one of its channel."""
        raise NotImplementedError

    def _submit(self) -> None:
        """Give the sequencer what was published since the last time."""
        raise NotImplementedError

    def _lose(self, view: View, error: BaseException) -> None:
        """Count everything that `view` collected as offered and dropped: it cannot be joined. Raises nothing."""
        raise NotImplementedError

    def _fail(self, peer: Any, error: BaseException) -> None:
        """Something of ours failed with what was for `peer`, and what it has got may end anywhere: it is to be cut off
        when all is written. Raises nothing.
        """
        raise NotImplementedError

    def _settle(self, batches: list[Batch]) -> None:
        """Do what is due for those that did not take all of `batches`, which they were given. It flushes nothing and
        raises nothing.
        """
        raise NotImplementedError

    def _look_after(self, flushed: int) -> None:
        """Look whether those that are behind are too far behind, `flushed` bytes later."""
        raise NotImplementedError


def _raise(error: BaseException) -> None:
    raise error
