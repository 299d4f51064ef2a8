"""The tick: what is published in a turn of the loop, written at its end.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastserver.clock import Clock
from fastserver.fanout.pause import Pause
from fastserver.fanout.reads import READ_SIZE
from fastserver.fanout.sequencer import Piece
from fastserver.fanout.stretch import Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastserver.fanout.delivery import Delivery, Stalled
    from fastserver.fanout.governors import Brake
    from fastserver.fanout.member import Member, Receiver
    from fastserver.fanout.route import Route, Sender
    from fastserver.fanout.sequencer import Sequencer
    from fastserver.fanout.view import View

MAX_BATCH: Final = 1024 * 1024
"""Bytes collected for a channel at most, before it is flushed without waiting for the end of the tick."""

NEVER: Final = 1 << 62
"""More bytes than are ever published."""

MAX_PIECES: Final = 16 * 1024
"""Pieces collected after which they are flushed, whatever their size: each costs some hundred bytes beside its own."""


class Tick:
    """Collects what is published in a tick, and writes it at its end.

    Whatever fails in it, for want of memory above all, leaves what was collected as it was, or counts as dropped what
    it was about, or ends the connections concerned. The loop's exception handler is told of it, and not those who
    publish, whom it may not concern.

    A tick ends with a turn of the loop, or lasts `interval` seconds. `delivery` does what is rare about writing;
    `route` collects what is not for one view alone; `behind` are the peers that are behind, by `max_pending` bytes at
    most.
    """

    __slots__ = (
        "_delivery",
        "_dirty",
        "_end",
        "_interval",
        "_last",
        "_limit",
        "_order",
        "_pieces",
        "_resting",
        "_route",
        "_scheduled",
        "_speaker",
        "_stalled",
        "_stretch",
        "answers",
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

    def __init__(
        self, interval: float | None, max_pending: int, *, delivery: Delivery, route: Route, behind: Stalled
    ) -> None:
        self.attach(Clock())  # one that has no loop
        self.relaying = False
        """Whether reads are published at once, by the peers themselves: no handlers get them, and no senders theirs."""
        self.sequencer: Sequencer | None = None
        """Decides the order of what is published; None: the order of the calls is the one."""
        self.shown = False
        """Whether the log shows what is relayed."""
        self.skips = False
        """Whether splitters may leave out messages."""
        self.answers = False
        """Whether splitters may have answers for those whose bytes they get."""
        self.behind = behind.peers
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
        # A single batch is to bring nobody who keeps up to its limit: pacing comes behind it.
        self.most = min(MAX_BATCH, max(READ_SIZE, max_pending // 4))
        """Bytes collected for a channel after which it is flushed without waiting for the end of the tick."""
        self._interval = interval
        self._delivery = delivery
        self._route = route
        self._stalled = behind
        self._limit = behind.limit
        self._end = self.end  # made once
        self._scheduled = False
        self._dirty: list[View] = []  # some of them perhaps twice or with nothing collected
        self._pieces = 0  # collected
        self._stretch: Stretch | None = None  # published when something else is, or the tick ends
        self._last: View | None = None
        self._order = 0
        self._speaker = 0  # the number of the peer that alone was heard in the last tick
        self._resting: list[Sender] = []

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
        self._place(view, sender, frames, messages, number)
        if view.size >= self.most or self._pieces >= MAX_PIECES:
            self.run()

    def publish_past(self, view: View, left_out: Sequence[Receiver], frame: bytes) -> None:
        """`publish` one message to all of the channel of `view` but several peers, of whatever framing."""
        self.begin()
        self._route.publish(self, Piece(view, tuple(left_out), frame, 1))
        if self._pieces >= MAX_PIECES:
            self.run()

    def sequenced(self, origin: int, number: int, pieces: Sequence[Piece] = ()) -> None:
        """Flush `pieces`, for which it is the turn; if `origin` is this process, those submitted under that number.

        Raises ValueError if another number of this process was due.
        """
        self._route.sequenced(self, origin, number, pieces)

    @property
    def collected(self) -> int:
        """Bytes that were published since the last flush, or wait for the sequencer."""
        size = self._route.waiting
        for view in self._dirty:
            size += view.size
        return size

    @property
    def unsequenced(self) -> int:
        """Bytes of memory that is taken by what waits for the sequencer."""
        return self._route.held

    def collect(self, view: View, sender: Member | None, frames: bytes, messages: int) -> None:
        """Add a piece to `view` alone; `sender`, a member of it, is left out."""
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
        if self._stretch is not None:
            if self._stretch.extend(view, sender, frames, start, end):
                return
            self._publish_stretch()
        if not self._scheduled:
            self._schedule()
        self._stretch = Stretch(view, sender, frames, start, end, number)

    def rest(self, sender: Sender) -> None:
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
            self.write_dirty()
        elif self.sequencer is not None:
            self._route.submit(self)

    def write_dirty(self) -> None:
        """Write what all views have collected."""
        batches: list[Any] = [None] * len(self._dirty)  # room first
        made = 0
        delivery = self._delivery
        for view in self._dirty:
            if view.pieces:
                try:
                    batches[made] = view.batch()
                    made += 1
                except BaseException as error:
                    delivery.lose(view, error)
        if made < len(batches):
            del batches[made:]
        self._dirty.clear()
        self._pieces = 0
        remainder = False
        try:
            if made == 1:
                batch = batches[0]
                remainder = batch.send(delivery)
            elif made:
                delivery.write_several(batches)
                remainder = True
        except BaseException as error:
            delivery.not_written(batches, error)
        if remainder:
            delivery.settle(batches)
        size = largest = 0
        for batch in batches:
            size += len(batch.blob) + batch.cost
            if batch.largest > largest:
                largest = batch.largest
            batch.close()
        if self.behind:
            self.room -= size
            if self.room < 0:
                self._stalled.check_memory()
            if self._limit.flushed(size, largest):
                self._stalled.check()

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
            self._place(one.view, one.sender, frames, one.messages, one.number)
        except BaseException:
            self._stretch = one
            raise
        if one.view.size >= self.most or self._pieces >= MAX_PIECES:
            self.run()

    def _place(self, view: View, sender: Member | None, frames: bytes, messages: int, number: int) -> None:
        """Collect a piece in `view`, or have it routed. Where it fails nothing was collected."""
        if self.sequencer is None and not view.others:
            self.collect(view, sender, frames, messages)
        else:
            left_out = () if sender is None else (sender.peer,)
            self._route.publish(self, Piece(view, left_out, frames, messages, number))

    def _schedule(self) -> None:
        self.began = self.time()
        if self._interval is None:
            self.call_soon(self._end)
        else:
            self.call_later(self._interval, self._end)
        self._scheduled = True  # only now: where there is no loop, or another thread's, that was refused
