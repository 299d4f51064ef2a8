"""The reading side of a peer: what becomes of the bytes it sends, and when it is not read.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from logging import WARNING
from typing import TYPE_CHECKING, Any, Final

from fastserver.errors import UNHEARD, CloseReason, FrameError
from fastserver.fanout.pause import Pause
from fastserver.fanout.reads import READ_SIZE

if TYPE_CHECKING:
    from fastserver.fanout.member import Member
    from fastserver.fanout.tick import Tick
    from fastserver.fanout.view import View
    from fastserver.framing.framing import Framing, Splitter
    from fastserver.peers.hub import Hub, Inbox, Rate
    from fastserver.peers.link import Link

FULL_READ: Final = READ_SIZE
"""A number of C where this is compiled."""


class Reading:
    """Counts what a peer sends, cuts it into messages, passes them on, and pauses where others cannot follow."""

    __slots__ = (
        "_clock",
        "_paused",
        "_since",
        "_tick",
        "address",
        "bytes_in",
        "ended",
        "hub",
        "id",
        "inbox",
        "last_message",
        "link",
        "member",
        "messages_in",
        "reason",
        "splitter",
        "stage",
        "throttle",
        "view",
    )

    link: Link
    """Its way to the kernel, once it is connected."""

    def __init__(self, hub: Hub[Any], view: View, splitter: Splitter) -> None:
        self.id = 0
        """Its number; the server gives each peer another."""
        self.address = ""
        """Where it is: `127.0.0.1:53412`, `unix:/run/feed.sock`."""
        self.stage = 0
        """How far its connection is from its end, a `Stage` (see closing.py)."""
        self.reason: CloseReason | None = None
        """Why it is closing or closed; None while what it sends is passed on."""
        self.ended = False
        """Its stream has ended: it sends nothing more."""
        self.member: Member | None = None
        """Its membership of its own channel; None if it does not receive."""
        self.throttle: Rate | None = None
        """Keeps it to its rates, if there are any."""
        self.inbox: Inbox | None = None
        """Holds what waits for async handlers, if there are any."""
        self.view = view
        """The messages of its own channel, in its framing: what it sends is published there."""
        self.splitter = splitter
        self.messages_in = 0
        self.bytes_in = 0
        self.last_message: float | None = None
        """Loop time of its last read that completed a message, seconds."""
        self.hub = hub
        """Shared with the other peers of its server."""
        self._tick: Tick = hub.tick
        self._paused: int = Pause.NONE
        # While it is read, how much `read_time` is behind the loop's, seconds; while it is not, where that stands.
        self._clock = 0.0
        self._since = 0.0

    def data_received(self, data: bytes) -> None:
        if self.reason is not None:
            return  # closing: it is read on, so that the end is not a reset, but nothing is passed on
        size = len(data)
        self.bytes_in += size
        tick = self._tick
        if tick.skips and self.bytes_in == size and self._is_web_page(self.framing.begins_request(data)):
            return
        try:
            frames = self.splitter.feed(data)
        except FrameError as error:
            self._frame_error(error)
            return
        messages = 0
        if frames:
            if self.messages_in == 0 and self._is_web_page(self.framing.is_request(frames)):
                return
            messages = self.splitter.count
            self.messages_in += messages
            if self._paused or tick.published + len(frames) > tick.hold_at:
                self._pace(frames, messages)
            elif not tick.relaying:
                self.last_message = tick.time()
                self.hub.received(self, frames, messages)
            else:
                if tick.shown:
                    self.hub.log.messages(self.id, self.address, self.framing, frames, messages)
                tick.pass_on(self.id, self.view, self.member, frames, messages)
                self.last_message = tick.began
        if tick.skips and self.splitter.skipped:
            messages += self._skipped()
        if tick.answers and self.view.framing.answers:
            self.answer()
        tick.room -= size
        if size >= FULL_READ or tick.brakes or tick.room < 0:
            self._brake(size, messages)

    def finish_stream(self) -> None:
        """Pass on what the splitter still holds: its stream has ended in order."""
        try:
            self._received(self.splitter.finish(), self.splitter.count)
            if self.splitter.skipped:
                self._skipped()
        except FrameError as error:
            self._frame_error(error)

    def drop_unheard(self) -> None:
        """Throw away what pacing holds of it, if nothing more that it sent is to be passed on."""
        if self.reason in UNHEARD:
            self.hub.pacing.drop(self)

    @property
    def framing(self) -> Framing:
        """The framing that it speaks."""
        framing: Framing = self.view.framing
        return framing

    def began(self) -> None:
        """Count the age of the connection from now."""
        self._since = self.hub.clock.time()

    @property
    def since(self) -> float:
        """Loop time at which the connection began, seconds."""
        return self._since

    # When it is not read.

    @property
    def paused(self) -> bool:
        """Whether it is not read for now."""
        return self._paused != Pause.NONE

    @property
    def read_time(self) -> float:
        """Loop time without what it was not read for, seconds: the clock of its timeouts."""
        return self._clock if self._paused else self.hub.clock.time() - self._clock

    @property
    def owes(self) -> bool:
        """Whether it waits for its rate also when its connection is gone: others of its origin would have to."""
        return self.throttle is not None and self.throttle.shared

    @property
    def incoming_bytes(self) -> int:
        """Bytes it sent that are kept: of a message that is not complete, and of messages that wait for handlers, for
        peers that are behind, or for its rate."""
        held = self.hub.pacing.held_bytes(self) if self._paused & Pause.PACE else 0
        if self.throttle is not None:
            held += self.throttle.held
        return self.splitter.held + held + (0 if self.inbox is None else self.inbox.bytes)

    @property
    def waits(self) -> bool:
        """Whether what it sent has to wait for its `turn` to be handled."""
        return self._tick.published >= self._tick.hold_at

    async def turn(self, size: int) -> None:
        """Return when a message it sent, `size` bytes, may be handled."""
        await self.hub.pacing.turn(self, size)

    def pause_reading(self, cause: int) -> None:
        """Read it no further until `cause`, one of `Pause`, and all others are over. If its connection is gone, it is
        read to its end.
        """
        over = self in self.hub.unread.over
        if over and cause != Pause.PACE and not (cause == Pause.RATE and self.owes):
            return
        if not self._paused:
            if not over:
                self.hub.unread.add(self)
            self._clock = self.hub.clock.time() - self._clock
        self._paused |= cause
        # Where pacing holds something of a peer that is read to its end, what follows has to wait behind that.
        if not self.ended and not (over and cause == Pause.PACE):
            self.link.pause_reading()

    def resume_reading(self, cause: int) -> None:
        """Read it again, if `cause` was the last. If it is closing it is read anyway, and what it sends thrown away."""
        if self._paused and not self._paused & ~cause:
            if not self.ended:
                self.hub.unread.remove(self)
            self._clock = self.hub.clock.time() - self._clock
        self._paused &= ~cause
        over = self._paused == Pause.PACE and self in self.hub.unread.over
        if (not self._paused or over or self.reason is not None) and not self.ended:
            self.link.resume_reading()

    # Rare paths.

    def answer(self) -> None:
        """Send back what its splitter has to say, between two messages, if it takes everything now."""
        raise NotImplementedError

    def close(self, reason: CloseReason = CloseReason.KICKED) -> None:
        """End the connection without loss."""
        raise NotImplementedError

    def abort(self, reason: CloseReason = CloseReason.KICKED) -> None:
        """End the connection at once."""
        raise NotImplementedError

    def _brake(self, size: int, messages: int) -> None:
        """Pause its reading, if there is cause: `size` bytes were read that completed so many messages."""
        if size >= READ_SIZE:
            self.hub.tick.rest(self)
        for brake in tuple(self.hub.tick.brakes):
            brake.after_read(self, size, messages)
        if self.hub.tick.room < 0:
            self.hub.check_memory()

    def _pace(self, frames: bytes, messages: int) -> None:
        """Pass on `frames` (complete, so many messages) if nobody has to be waited for, or hold them."""
        self.last_message = self.hub.clock.time()
        self.hub.pacing.receive(self, frames, messages)

    def _received(self, frames: bytes, messages: int) -> None:
        if frames and not (self.messages_in == 0 and self._is_web_page(self.framing.is_request(frames))):
            self.messages_in += messages
            self._pace(frames, messages)

    def _skipped(self) -> int:
        """How many messages its splitter has just left out, which are counted."""
        messages = self.splitter.skipped
        self.hub.losses.skip(self.id, self.address, messages, self.splitter.fault)
        return messages

    def _frame_error(self, error: FrameError) -> None:
        """Pass on the messages before an invalid one, and close the connection."""
        self._received(error.frames, error.count)
        if self.splitter.skipped:
            self._skipped()
        self.hub.log.line(
            WARNING,
            "peer %(id)d %(address)s sent an invalid message: %(error)s",
            id=self.id,
            address=self.address,
            error=str(error),
        )
        self.close(CloseReason.FRAME_ERROR)

    def _is_web_page(self, request: bool) -> bool:
        """Whether it is a web page, since what it sent first is a `request`; then it is closed."""
        if not request or self.hub.config.allow_http_lines:
            return False
        self.hub.log.line(
            WARNING,
            "peer %(id)d %(address)s sent an HTTP request, as a web page does; nothing of it is passed on",
            id=self.id,
            address=self.address,
        )
        self.close(CloseReason.HTTP)
        return True
