"""The route of pieces that are not simply collected where they are published: to the views of other framings, which get
translations, and through the sequencer, if there is one.

Rule: while more waits for the sequencer than one peer may be behind, senders are read once more and then paused, until
it is half of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from fastserver.fanout.pause import Pause
from fastserver.fanout.sequencer import PIECE, Piece, Submitted

if TYPE_CHECKING:
    from fastserver.fanout.governors import Brake
    from fastserver.fanout.member import Member
    from fastserver.fanout.sequencer import Sequencer
    from fastserver.fanout.unraised import Unraised
    from fastserver.fanout.view import View
    from fastserver.framing.framing import Framing


class Collector(Protocol):
    """The tick, as far as the route to it depends on it."""

    sequencer: Sequencer | None
    published: int
    most: int
    brakes: list[Brake[Any]]

    def begin(self) -> None: ...

    def collect(self, view: View, sender: Member | None, frames: bytes, messages: int, /) -> None: ...

    def run(self) -> None: ...

    def write_dirty(self) -> None: ...


class Sender(Protocol):
    """A peer that sends."""

    def pause_reading(self, cause: int) -> None: ...

    def resume_reading(self, cause: int) -> None: ...


class Route:
    """Brings pieces to all the views that they are for, when it is their turn.

    `translate` gives frames of one framing, so many messages, as those of another, with their number and that of the
    messages that have no translation, of which `lost` is told: the id of the peer that sent them, the framing, and how
    many. No more than `max_pending` bytes are to wait for the sequencer: a brake while there are.
    """

    def __init__(
        self,
        translate: Callable[[Framing, Framing, bytes, int], tuple[bytes, int, int]],
        lost: Callable[[int, Framing, int], object],
        max_pending: int,
        unraised: Unraised,
    ) -> None:
        self.origin = 0
        """The number of this process among those that submit to one sequencer."""
        self._translate = translate
        self._lost = lost
        self._unraised = unraised
        self._published: list[Piece] = []  # to be submitted
        self._size = 0  # of their frames, bytes
        self._submitted = Submitted()
        self._max_pending = max_pending
        self._braking = False
        self._paused: WeakSet[Sender] = WeakSet()  # some may be gone when it is their turn

    @property
    def waiting(self) -> int:
        """Bytes that were published and that the sequencer has not given back."""
        return self._submitted.bytes + self._size

    @property
    def held(self) -> int:
        """Bytes of memory that this takes."""
        return self.waiting + PIECE * (self._submitted.pieces + len(self._published))

    def publish(self, tick: Collector, piece: Piece) -> None:
        """Collect `piece` in `tick`, for all views of its channel; or submit it at the end of `tick`."""
        if tick.sequencer is None:
            if self._collect(tick, piece) >= tick.most:
                tick.run()
            return
        tick.begin()
        self._published.append(piece)
        self._size += len(piece.frames)
        tick.published += len(piece.frames)
        if not self._braking and self.held > self._max_pending:
            self._braking = True
            tick.brakes.append(self)
        if self._size + PIECE * len(self._published) >= tick.most:
            tick.run()

    def submit(self, tick: Collector) -> None:
        """Give the sequencer what was published since the last time."""
        if self._published and tick.sequencer is not None:
            pieces, self._published, self._size = self._published, [], 0
            tick.sequencer.submit(self._submitted.add(pieces), pieces)

    def sequenced(self, tick: Collector, origin: int, number: int, pieces: Sequence[Piece]) -> None:
        """Flush `pieces`, for which it is the turn; if `origin` is this process, those submitted under that number.

        Raises ValueError if another number of this process was due.
        """
        if origin == self.origin:
            pieces = self._submitted.take(number)
            self._release(tick)
        for piece in pieces:
            self._collect(tick, piece)
        tick.write_dirty()

    def after_read(self, sender: Sender, size: int, messages: int) -> None:
        """Pause the reading of `sender`."""
        self._paused.add(sender)
        sender.pause_reading(Pause.SEQUENCE)

    def _release(self, tick: Collector) -> None:
        """Have senders go on, if few enough bytes wait by now."""
        if self._braking and self.held <= self._max_pending // 2:
            self._braking = False
            tick.brakes.remove(self)
            paused, self._paused = self._paused, WeakSet()
            for sender in paused:
                sender.resume_reading(Pause.SEQUENCE)

    def _collect(self, tick: Collector, piece: Piece) -> int:
        """Collect `piece` in its view, and its translation in the others of the channel. Gives the bytes that the
        largest of them has collected.
        """
        source = piece.view
        own = [member for peer in piece.left_out if (member := peer.member_of(source.channel)) is not None]
        _collect_for(tick, source, own, piece.frames, piece.messages)
        size = source.size
        for view in source.others:
            try:
                frames, messages, lost = self._translate(source.framing, view.framing, piece.frames, piece.messages)
                if messages:
                    _collect_for(tick, view, own, frames, messages)
            except BaseException as error:
                self._unraised.note(error)
                lost = piece.messages
            if lost:
                self._lost(piece.number, view.framing, lost)
            size = max(size, view.size)
        return size


def _collect_for(tick: Collector, view: View, left_out: Sequence[Member], frames: bytes, messages: int) -> None:
    """Collect `frames` in `view`, for all of its members but some. Where it fails nothing was collected."""
    own = [member for member in left_out if member.view is view]
    try:
        for member in own[1:]:
            tick.collect(view, member, b"", 0)
        tick.collect(view, own[0] if own else None, frames, messages)
    except BaseException:
        while view.pieces and not view.pieces[-1][1]:  # or they were left out of another message
            view.pieces.pop()
        raise
