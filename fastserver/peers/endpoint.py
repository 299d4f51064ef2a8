"""The endpoint: what a peer does with the bytes it sends. What is rarer is for `Peer`, which is one.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastserver.errors import FrameError
from fastserver.fanout.pause import Pause
from fastserver.fanout.reads import READ_SIZE

if TYPE_CHECKING:
    from fastserver.errors import CloseReason
    from fastserver.fanout.batch import Member
    from fastserver.fanout.tick import Tick
    from fastserver.framing.framing import Splitter
    from fastserver.peers.hub import Hub, Rate

FULL_READ: Final = READ_SIZE
"""A number of C where this is compiled."""


class Endpoint:
    """What a peer does with the bytes it sends, and the state of its connection."""

    __slots__ = (
        "_clock",
        "_closing",
        "_paused",
        "_since",
        "_tick",
        "address",
        "bytes_in",
        "closed",
        "descriptor",
        "ended",
        "error",
        "finished",
        "hub",
        "id",
        "last_message",
        "member",
        "messages_in",
        "reason",
        "splitter",
        "stuck",
        "throttle",
    )

    def __init__(self, hub: Hub[Any], splitter: Splitter) -> None:
        self.id = 0
        """Its number; the server gives each peer another."""
        self.address = ""
        """Where it is: `127.0.0.1:53412`, `unix:/run/feed.sock`."""
        self.reason: CloseReason | None = None
        """Why it is closing or closed; None while it is heard."""
        self.member: Member | None = None
        """It, in the channel that everyone is in who hears."""
        self.throttle: Rate | None = None
        """What keeps it to its rates, if there are any."""
        self.splitter = splitter
        self.descriptor = -1
        """The socket that its link writes to; -1: only its transport can pass anything on."""
        self.ended = False
        """Its stream has ended: it sends nothing more."""
        self.finished = False
        """Our half of the stream has ended."""
        self.stuck = False
        """Its link holds bytes that the kernel has not taken."""
        self.error = 0
        """The error number of the write that failed; from then on nothing more is written, but what it sent is read."""
        self.closed = False
        """Its connection is gone."""
        self.messages_in = 0
        self.bytes_in = 0
        self.last_message: float | None = None
        """Loop time of its last read that completed a message, seconds."""
        self.hub = hub
        """What it shares with the other peers of its server."""
        self._tick: Tick = hub.flush
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
            if self.messages_in == 0 and self._is_web_page(frames):
                return
            messages = self.splitter.count
            self.messages_in += messages
            if self._paused or tick.published + len(frames) > tick.hold_at:
                self._pace(frames, messages)
            elif tick.relaying is None:
                self.last_message = tick.time()
                self.hub.received(self, frames, messages)
            else:
                if tick.shown:
                    self.hub.log.messages(self.id, self.address, self.hub.framing, frames, messages)
                tick.pass_on(self.id, self.member, frames, messages)
                self.last_message = tick.began
        if tick.skips and self.splitter.skipped:
            messages += self._skipped()
        tick.room -= size
        if size >= FULL_READ or tick.brakes or tick.room < 0:
            self._brake(size, messages)

    def _is_web_page(self, frames: bytes) -> bool:
        """Whether `frames`, the first it sent, show that it is a web page, which is not heard."""
        raise NotImplementedError

    def _pace(self, frames: bytes, messages: int) -> None:
        """It sent `frames`, complete, that many messages. Pass them on if nobody has to be waited for, or hold them."""
        raise NotImplementedError

    def _skipped(self) -> int:
        """How many messages its splitter has just left out, which are counted."""
        raise NotImplementedError

    def _brake(self, size: int, messages: int) -> None:
        """It was read: `size` bytes that completed that many messages. Read it no further, if there is cause."""
        raise NotImplementedError

    def _frame_error(self, error: FrameError) -> None:
        """It sent what is no frame."""
        raise NotImplementedError
