"""A peer: one connection, from accept to its last byte."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, cast

from fastserver.config.listener import Role
from fastserver.errors import CloseReason
from fastserver.fanout.channel import Channel
from fastserver.fanout.member import Group, Member
from fastserver.fanout.view import View
from fastserver.figures import Figures
from fastserver.peers import answering, books, closing, figures, membership
from fastserver.peers.books import Amount, Past
from fastserver.peers.closing import CLOSE_TIMEOUT, happen
from fastserver.peers.membership import Memberships
from fastserver.peers.reading import Reading
from fastserver.peers.stages import OFFERED, Event, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from fastserver.fanout.outbox import Outbox
    from fastserver.framing.framing import Splitter
    from fastserver.peers.hub import Hub


class Peer(Reading, asyncio.Protocol):
    """A connection. Your own data goes into `data`; `send`, `close`, `join` and `leave` act on it."""

    __slots__ = ("__weakref__", "data", "deadline", "memberships", "origin", "outbox", "past", "role")

    hub: Hub[Peer]

    def __init__(self, hub: Hub[Peer], view: View, splitter: Splitter, role: Role = Role.BOTH) -> None:
        """`view` has the messages of its own channel, in its framing."""
        super().__init__(hub, view, splitter)
        self.role = role
        """Whether it sends, receives, or both."""
        self.data: Any = None
        """The user's own."""
        self.origin: str | None = None
        """Its address or network for the limits per address; None if they do not hold for it."""
        self.outbox: Outbox | None = None
        """Holds what is pending and its link was not given; None while it keeps up."""
        self.deadline: asyncio.TimerHandle | None = None
        """Ends it, if it does not end before."""
        self.memberships: Memberships | None = None
        """All its memberships, if it has others than `member`."""
        self.past: Past = books.NOTHING
        """Amounts that were offered and dropped by none of its memberships."""

    # For everyone.

    def __repr__(self) -> str:
        return f"<Peer {self.id} {self.address} {self.state}>"

    @property
    def state(self) -> str:
        """`active`, `idle`, `half-closed`, `closing` or `closed`."""
        if self.closed:
            return "closed"
        if self.reason is not None:
            return "closing"
        if self.ended:
            return "half-closed"
        last = self._since if self.last_message is None else self.last_message
        return "idle" if self.hub.clock.time() - last >= self.hub.config.idle_after else "active"

    def send(self, value: Any) -> bool:
        """Send one message to it alone: bytes-like where its framing is lines, any packable value where it is msgpack.

        False if it is closed, or does not receive. Raises `TypeError` or `ValueError` for what cannot be a message.
        """
        return self.send_frame(self.hub.packer.frame(value, self.framing))

    def send_packed(self, payload: bytes) -> bool:
        """Send one message that is packed already, as `send` does."""
        return self.send_frame(self.hub.packer.frame_packed(payload, self.framing))

    def send_threadsafe(self, value: Any) -> None:
        """`send` from another thread. Raises as `send` does; whether it is closed is not told."""
        self.hub.call_threadsafe(self.send_frame, self.hub.packer.frame(value, self.framing))

    @property
    def channel(self) -> Channel[Peer]:
        """Its own channel, that of its listener: what it sends is for the peers in there."""
        return cast("Channel[Peer]", self.view.channel)

    @property
    def channels(self) -> list[Channel[Peer]]:
        """The channels with a name that it is in, in the order in which it joined them; once it is closing, those that
        it was in at its end.
        """
        return self.hub.channels.of(self)

    def join(self, channel: Channel[Peer]) -> None:
        """Receive what is broadcast on `channel` from now on; nothing if it does already, is closing, or does not
        receive at all. Raises TypeError for what is no channel, ValueError for one of another server.
        """
        self._check(channel)
        if self.role.receives and self.stage in OFFERED and self.member_of(channel) is None:
            self.hub.tick.run()  # what was broadcast before is not for it
            if self.stage in OFFERED:  # it was not closed just now, being too slow
                membership.join(self, channel.view(self.framing))

    def leave(self, channel: Channel[Peer]) -> None:
        """Receive nothing more of `channel`, but for what was broadcast before; nothing if it is not in it. Raises as
        `join` does.
        """
        self._check(channel)
        if self.member_of(channel) is not None:
            self.hub.tick.run()  # what was broadcast before is for it
            member = self.member_of(channel)  # another, if it misses messages since then; none, if it was closed
            if member is not None:
                membership.leave(self, member)

    def leave_all(self) -> None:
        """Be offered nothing more."""
        self.hub.channels.leave_all(self)
        for member in [*self.members]:
            membership.leave(self, member)

    def relay(self, frames: bytes, start: int, end: int) -> None:
        """Broadcast one message it sent, `frames[start:end]`, as the server does without a handler."""
        hub = self.hub
        hub.tick.relay(self.view, None if hub.config.echo else self.member, frames, start, end, self.id)

    def close(self, reason: CloseReason = CloseReason.KICKED, within: float = CLOSE_TIMEOUT) -> None:
        """End the connection without loss: nothing more that it sends is passed on, and nothing more is offered to it;
        what is pending goes out, then our half is closed, then its end of stream is awaited; all that `within` seconds.
        """
        happen(self, Event.CLOSE, CloseReason(reason), within)

    def abort(self, reason: CloseReason = CloseReason.KICKED) -> None:
        """End the connection at once; what is pending is dropped. It is reset if its peer has not taken all there was,
        so that a message cut in two does not pass for the end of the stream, and the kernel keeps nothing.
        """
        happen(self, Event.ABORT, CloseReason(reason))

    def figures(self) -> Figures:
        """Its figures now."""
        return figures.of(self)

    # From the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # 0: where the transport is the link, it says so as soon as the kernel does not take everything.
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=0, low=0)
        self.link = self.hub.sockets.link(self, cast(asyncio.Transport, transport))
        self.began()
        self.hub.connected(self)

    def eof_received(self) -> bool:
        self.ended = True
        happen(self, Event.ENDED)
        return True

    def pause_writing(self) -> None:
        pass  # its link asks the transport after each write

    def resume_writing(self) -> None:
        self.link.passed_on()
        try:
            happen(self, Event.EMPTIED)
        except BaseException:  # nothing would have it go on any more
            self.link.error = self.link.error or errno.ENOMEM
            self.write_failed()
            raise
        if self.framing.answers:
            self.answer()

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            closing.lost(self, exc)
        finally:
            # They know the peer: without them it is freed at once, not by the garbage collector.
            self.member = self.throttle = None
            self.link.release()

    # From the server, its limits, and the tick.

    @property
    def closed(self) -> bool:
        """Whether its connection is gone."""
        return self.stage == Stage.CLOSED

    @property
    def is_unix(self) -> bool:
        """Whether it came by a Unix socket."""
        return self.address.startswith("unix:")

    @property
    def ext_hook(self) -> Callable[[int, bytes], Any] | None:
        """Makes values of the extension types of msgpack in its messages."""
        return self.hub.ext_hook

    def write_failed(self) -> None:
        """Nothing more can be written to it: its link says why."""
        closing.write_failed(self)

    def answer(self) -> None:
        answering.answer(self)

    def cut_off(self, reason: CloseReason) -> None:
        """End the connection, and drop what its link was not given; at once, unless a last word was asked for."""
        closing.cut_off(self, reason)

    def deafen(self, reason: CloseReason) -> None:
        """Pass on nothing more of what it sends; it still receives."""
        happen(self, Event.DEAFEN, reason)

    def expire(self, within: float) -> None:
        """Close it as ended in `within` seconds."""
        self.deadline = self.hub.clock.call_later(within, happen, self, Event.CLOSE, CloseReason.EOF)

    # Receiving (see membership.py and books.py).

    @property
    def members(self) -> Collection[Member]:
        """Its memberships."""
        if self.memberships is not None:
            return self.memberships.all
        return () if self.member is None else (self.member,)

    def member_of(self, channel: Group | None) -> Member | None:
        """Its membership of `channel`, or None."""
        if self.memberships is not None:
            return self.memberships.of(channel)
        return self.member if self.member is not None and self.member.channel is channel else None

    def add(self, view: View) -> None:
        membership.join(self, view)

    def tell(self, frame: bytes) -> None:
        membership.tell(self, frame)

    def offered(self) -> Amount:
        return books.offered(self)

    def pending(self) -> Amount:
        return books.pending(self, self.framing.resplitter())

    @property
    def dropped(self) -> Amount:
        return books.dropped(self)

    @property
    def pending_bytes(self) -> int:
        return books.pending_bytes(self)

    @property
    def delivered_bytes(self) -> int:
        return books.delivered_bytes(self)

    @property
    def acknowledged_bytes(self) -> int:
        return books.acknowledged_bytes(self)

    def largest_pending(self) -> int:
        return books.largest_pending(self)

    def kept(self) -> dict[int, int]:
        return books.kept(self)

    def offer(self, messages: int, size: int) -> None:
        books.own(self).offer(messages, size)

    def skip(self, messages: int, size: int) -> None:
        books.own(self).skip(messages, size)

    def drop(self, messages: int, size: int) -> None:
        books.own(self).drop(messages, size)

    def lose(self, messages: int, size: int) -> None:
        books.own(self).lose(messages, size)

    def send_frame(self, frame: bytes) -> bool:
        """Send one message that is in wire form already, that of its framing, as `send` does."""
        if self.stage not in OFFERED or not self.role.receives:
            return False
        self.tell(frame)
        return True

    def _check(self, channel: object) -> None:
        if not isinstance(channel, Channel):
            raise TypeError(f"a channel is needed, as server.channel(name) gives it, not {type(channel).__name__}")
        channel.check_of(self.hub)
