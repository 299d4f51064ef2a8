"""A peer: one connection, from accept to its last byte."""

from __future__ import annotations

import asyncio
import errno
import time
from logging import WARNING
from typing import TYPE_CHECKING, Any, Final, cast

from fastserver.config.listener import Role
from fastserver.errors import UNHEARD, CloseReason, FrameError
from fastserver.fanout.backlog import Part
from fastserver.fanout.batch import Member
from fastserver.fanout.channel import Channel
from fastserver.fanout.pause import Pause
from fastserver.fanout.reads import READ_SIZE
from fastserver.kernel import unacknowledged
from fastserver.peers import notice
from fastserver.peers.account import NOTHING, Account
from fastserver.peers.figures import Figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastserver.framing.framing import Splitter
    from fastserver.peers.hub import Hub, Inbox

ACKNOWLEDGED_AFTER: Final = 0.02
"""Seconds after which a peer that is to be closed is asked again whether it has taken everything."""

OURS: Final = (errno.ENOMEM, errno.ENOBUFS, errno.EFAULT)
"""Errors of a write that are not for the connection, which lives: what its peer has got may end anywhere."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds a peer that is closed has to take what is pending and end its own stream."""


class Peer(Account, asyncio.Protocol):
    """One connection. Your own data goes into `data`; `send`, `close`, `join` and `leave` act on it."""

    __slots__ = (
        "__weakref__",
        "_deadline",
        "_direct",
        "data",
        "inbox",
        "origin",
        "role",
    )

    def __init__(self, hub: Hub[Peer], splitter: Splitter, role: Role = Role.BOTH) -> None:
        super().__init__(hub, splitter)
        self.role = role
        """Whether it is heard, hears, or both."""
        self.data: Any = None
        """The user's own."""
        self.inbox: Inbox | None = None
        """What waits for async handlers, if there are any."""
        self.origin: str | None = None
        """What it counts as for the limits per address; None if they do not hold for it."""
        self._direct: Channel | None = None  # of which it is the only member
        self._deadline: asyncio.TimerHandle | None = None

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
        """Send one message to it alone: bytes-like in lines mode, any packable value in the msgpack modes.

        False if it is closed, or does not hear. Raises `TypeError` or `ValueError` for what cannot be a message.
        """
        return self._send(self.hub.frame(value))

    def send_packed(self, payload: bytes) -> bool:
        """Send one message that is packed already, as `send` does."""
        return self._send(self.hub.frame_packed(payload))

    def send_threadsafe(self, value: Any) -> None:
        """`send` from another thread. Raises as `send` does; whether it is closed is not told."""
        self.hub.call_threadsafe(self._send, self.hub.frame(value))

    @property
    def channels(self) -> list[Channel]:
        """The channels that it joined, in that order; those that it was in at its end, once it is closing."""
        return self.hub.channels.of(self)

    def join(self, channel: Channel) -> None:
        """Hear what is broadcast on `channel` from now on; nothing if it does already, is closing, or does not hear at
        all. Raises TypeError for what is no channel, ValueError for one of another server.
        """
        self._check(channel)
        if self.role.receives and not self._closing and self.member_of(channel) is None:
            self.hub.flush.run()  # what was broadcast before is not for it
            self.add(channel)

    def leave(self, channel: Channel) -> None:
        """Hear `channel` no more, but for what was broadcast before; nothing if it does not. Raises as `join` does."""
        self._check(channel)
        member = self.member_of(channel)
        if member is not None:
            self.hub.flush.run()  # what was broadcast before is for it
            self.quit(member)

    def leave_all(self) -> None:
        self.hub.channels.leave_all(self)
        super().leave_all()

    def relay(self, frames: bytes, start: int, end: int) -> None:
        """Broadcast one message it sent, `frames[start:end]`, as the server does without a handler."""
        self.hub.relay(self, frames, start, end)

    def close(self, reason: CloseReason = CloseReason.KICKED, within: float = CLOSE_TIMEOUT) -> None:
        """End the connection without loss: it is heard no more and offered no more; what is pending goes out,
        then our half is closed, then its end of stream is awaited; all that `within` seconds.
        """
        reason = CloseReason(reason)
        if self._closing:
            if self.error:  # only what it sent before was still read
                self.abort(reason)
            return
        self._closing = True
        if self.reason is None:
            self.reason = reason
        self._deliver_held()
        self.hub.flush.run()  # what was sent before is for it
        if self.error:  # what was sent before has shown that it is gone
            self.abort(reason)
            return
        rest: list[Part] = []
        messages = 0
        if self in self.hub.flush.behind:
            while (taken := self.hub.take(self)) is not None:
                rest += taken[0]
                messages += taken[1]
        self._finish(rest, messages, within)

    def abort(self, reason: CloseReason = CloseReason.KICKED) -> None:
        """End the connection at once; what is pending is dropped. It is reset if its peer has not taken all there was,
        so that a message cut in two does not pass for the end of the stream, and the kernel keeps nothing.
        """
        reason = CloseReason(reason)
        self._closing = True
        if self.reason is None:
            self.reason = reason
        if self._left() or self._unacknowledged:
            self.link.reset(self)
        self.hub.flush.forget(self)
        self.link.forget(self)
        try:
            self.drop_pending(self.hub.splitter())
        finally:
            self.transport.abort()

    def figures(self) -> Figures:
        """Its figures now."""
        offered_messages, offered_bytes = self.offered()
        pending_messages, pending_bytes = self.pending(self.hub.splitter())
        dropped_messages, dropped_bytes = self.dropped
        now, wall = self.hub.clock.time(), time.time()
        return Figures(
            id=self.id,
            address=self.address,
            state=self.state,
            slow=self in self.hub.slow,
            reason=None if self.reason is None else self.reason.value,
            connected_at=wall - (now - self._since),
            last_message_at=None if self.last_message is None else wall - (now - self.last_message),
            messages_in=self.messages_in,
            bytes_in=self.bytes_in,
            skipped_messages=self.hub.skipped[self.id],
            offered_messages=offered_messages,
            offered_bytes=offered_bytes,
            messages_out=offered_messages - pending_messages - dropped_messages,
            bytes_out=offered_bytes - pending_bytes - dropped_bytes,
            pending_messages=pending_messages,
            pending_bytes=pending_bytes,
            waiting_messages=0 if self.inbox is None else self.inbox.messages,
            waiting_bytes=0 if self.inbox is None else self.inbox.bytes,
            dropped_messages=dropped_messages,
            dropped_bytes=dropped_bytes,
        )

    # From the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # 0: where the transport is the link, it says so as soon as the kernel does not take everything.
        self.transport.set_write_buffer_limits(high=0, low=0)
        self.began()
        self.hub.connected(self)

    def eof_received(self) -> bool:
        self.ended = True
        if self.reason is None and self._is_reset(self.error):
            self.reason = CloseReason.RESET  # the failed write took the news from the read
        if self.reason is None:
            self._finish_stream()
            if self.error:
                self.reason = self.reason or CloseReason.EOF
            elif self.reason is None:
                self.hub.half_closed(self)
        if self.error:
            self.abort()
        elif self._closing:
            self._end()
        return True

    def pause_writing(self) -> None:
        self.stuck = True

    def resume_writing(self) -> None:
        self.stuck = False
        self.unsent = 0
        self._held = NOTHING
        if self._closing:
            self._end()
        else:
            self.hub.flush.refill(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        try:
            self._deliver_held()
            if self.reason is None:
                self._lost(exc)
            self.hub.flush.forget(self)
            self._drop_unacknowledged()
            self.drop_pending(self.hub.splitter())
        finally:
            self._closing = self.closed = True
            self.link.forget(self)
            # What knows the peer, so that it is freed without the garbage collector.
            self.member = self.throttle = self._deadline = None
            self.hub.disconnected(self)

    def write_failed(self) -> None:
        """A write failed: its socket is gone, but ours may still have what it sent, which is read to its end. It gets
        nothing more.
        """
        self.link.forget(self)
        lives = self.error in OURS
        if lives:
            self.link.reset(self)
        if self._closing or self.ended:
            self.abort(CloseReason.RESET if self._is_reset(self.error) else CloseReason.EOF)
            return
        self._closing = True
        try:
            self.hub.flush.forget(self)
            self.drop_pending(self.hub.splitter())
        finally:
            if lives:
                self.hub.clock.call_soon(self._cut)

    def _cut(self) -> None:
        if not self.closed:
            self.abort(CloseReason.INTERNAL_ERROR)

    # From the server and the flush.

    def began(self) -> None:
        """It is there since now."""
        self._since = self.hub.clock.time()

    @property
    def ext_hook(self) -> Callable[[int, bytes], Any] | None:
        """What makes values of the extension types of msgpack in its messages."""
        return self.hub.ext_hook

    @property
    def incoming_bytes(self) -> int:
        """Bytes it sent that are kept: of a message that is not complete, and what waits for handlers, for those
        that are behind, or for its rate."""
        held = self.hub.pacing.held_bytes(self) if self._paused & Pause.PACE else 0
        if self.throttle is not None:
            held += self.throttle.held
        return self.splitter.held + held + (0 if self.inbox is None else self.inbox.bytes)

    def cut_off(self, reason: CloseReason) -> None:
        """End the connection, and drop what its link was not given; at once, if no last word was asked for or can be
        said.
        """
        if self.error or not self.hub.config.last_word:
            self.abort(reason)
        elif not self._closing:
            self._closing = True
            if self.reason is None:
                self.reason = reason
            self.drop_unheld()
            self._finish([], 0, CLOSE_TIMEOUT)

    def turn_away(self, reason: CloseReason) -> None:
        """End a connection that was not let in."""
        if self.hub.config.last_word and self.role.receives and not self.transport.is_closing():
            self._closing = True
            self.reason = reason
            self.link.write(self, [notice.closing(self.hub, reason)])
            self.transport.close()
        else:
            self.abort(reason)

    def miss(self) -> None:
        """Get nothing of what is flushed from now on, which counts as dropped, until it is to hear again."""
        for member in [member for member in self.members if not member.missing]:
            self.quit(member)
            self._enter(Member(member.channel, self, missing=True))

    def hear_again(self) -> None:
        """Get again what is flushed from now on."""
        self.hub.flush.run()
        missed = [member for member in self.members if member.missing]
        for member in missed:
            self.quit(member)
        for member in missed:
            self.add(member.channel)
        self.hub.flush.look_at(self)

    def tell(self, frame: bytes) -> None:
        """Send it a frame of its framing, in its place in the order."""
        if self._direct is None:
            # Of its own, so that what is sent to it alone has its place in the order, the backlog and the books.
            direct = Channel("")
            self.add(direct)
            self._direct = direct
        self.hub.flush.publish(self._direct, None, frame, 1)

    @property
    def read_time(self) -> float:
        """Loop time without what it was not read for, seconds: the clock of its timeouts."""
        return self._clock if self._paused else self.hub.clock.time() - self._clock

    def pause_reading(self, cause: int) -> None:
        """Read it no further until `cause`, one of `Pause`, and all others are over. One whose connection is gone is
        read to its end.
        """
        if self in self.hub.unread.over and not (cause == Pause.RATE and self.owes):
            return
        if not self._paused:
            self.hub.unread.add(self)
            self._clock = self.hub.clock.time() - self._clock
        self._paused |= cause
        if not self.ended and not self.transport.is_closing():
            self.transport.pause_reading()

    @property
    def paused(self) -> bool:
        """Whether it is not read for now."""
        return self._paused != Pause.NONE

    @property
    def owes(self) -> bool:
        """Whether it waits for its rate also when its connection is gone: others of its origin would have to."""
        return self.throttle is not None and self.throttle.shared

    def resume_reading(self, cause: int) -> None:
        """`cause` is over. A peer that is closing is read on at any rate: what it sends is thrown away."""
        if self._paused and not self._paused & ~cause:
            if not self.ended:
                self.hub.unread.remove(self)
            self._clock = self.hub.clock.time() - self._clock
        self._paused &= ~cause
        if (not self._paused or self.reason is not None) and not self.ended and not self.transport.is_closing():
            self.transport.resume_reading()

    def add(self, channel: Channel) -> None:
        """Make it a member of `channel`."""
        if self.missing:
            self._enter(Member(channel, self, missing=True))
            return
        member = channel.join(self, self.transport)
        try:
            if self in self.hub.flush.behind:
                channel.fall_behind(member)
            self._enter(member)
        except BaseException:
            channel.leave(member)
            raise

    def deafen(self, reason: CloseReason) -> None:
        """Hear it no more; it still receives."""
        if self.reason is None:
            self.reason = reason
            self.resume_reading(Pause.NONE)

    def expire(self, within: float) -> None:
        """Close it as ended in `within` seconds."""
        self._deadline = self.hub.clock.call_later(within, lambda: self.close(CloseReason.EOF))

    def _check(self, channel: object) -> None:
        if not isinstance(channel, Channel):
            raise TypeError(f"a channel is needed, as server.channel(name) gives it, not {type(channel).__name__}")
        channel.check_of(self.hub)

    def _send(self, frame: bytes) -> bool:
        if self._closing or not self.role.receives:
            return False
        self.tell(frame)
        return True

    def _enter(self, member: Member) -> None:
        self.enter(member)
        if member.channel is self.hub.everyone:
            self.member = member

    def _finish(self, rest: list[Part], messages: int, within: float) -> None:
        """Be offered nothing more; write `rest`, that many messages, and a last word if asked for; end our half."""
        self.hub.flush.forget(self)
        self.leave_all()
        if self.hub.config.last_word and self.role.receives and self.reason is not CloseReason.EOF:
            word = notice.closing(self.hub, self.reason or CloseReason.KICKED)
            self.offer(1, len(word))
            rest.append(word)
            messages += 1
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.hub.clock.call_later(within, self.abort)
        if rest:
            parts, held = self._held
            self.link.write(self, rest)
            self.hold((*parts, *rest), held + messages)
            if self.error:
                self.write_failed()
                return
            if not self.stuck:
                self._held = NOTHING
        self._end()
        self.resume_reading(Pause.NONE)

    def _end(self) -> None:
        """End our half when the kernel has taken everything, and close the connection when the peer has too, and has
        ended its own.
        """
        if self.stuck or self.transport.is_closing():
            return
        if not self.finished:
            self.finished = True
            self.link.end(self)
        if not self.ended and self.transport.can_write_eof():
            return
        if not self._unacknowledged or self.hub.link.is_over(self):
            self.transport.close()
        else:
            self.hub.clock.call_later(ACKNOWLEDGED_AFTER, self._end)

    def _finish_stream(self) -> None:
        """Its stream has ended in order: pass on what the splitter still holds."""
        self._deliver_held()
        try:
            self._received(self.splitter.finish(), self.splitter.count)
        except FrameError as error:
            self._frame_error(error)

    def _lost(self, exc: Exception | None) -> None:
        """Its connection ended without our doing, with what was read passed on but for an unfinished message."""
        if exc is not None and not isinstance(exc, OSError):
            self.reason = CloseReason.INTERNAL_ERROR
            return
        if self._is_unix and not self.ended:
            # A Unix socket that is closed unread tells of that, but all that was sent has come.
            self.ended = True
            self._finish_stream()
        self.reason = self.reason or (CloseReason.EOF if exc is None else CloseReason.RESET)

    @property
    def _is_unix(self) -> bool:
        return self.address.startswith("unix:")

    def _is_reset(self, error: int) -> bool:
        """Whether that error of a read or write means that its stream was cut. EPIPE comes after its end of stream, and
        to a Unix socket nothing that was sent is lost (tcp_reset of Linux, unix(7)).
        """
        return error not in (0, errno.EPIPE, errno.ENOTCONN) and not self._is_unix

    @property
    def _unacknowledged(self) -> int:
        """Bytes of messages that the kernel took and its system has not acknowledged; 0 where that cannot be told."""
        if self.descriptor < 0 or self._is_unix:
            return 0
        size = unacknowledged(self.descriptor)
        return size - 1 if self.finished and size else size  # our end of stream counts as one

    def _drop_unacknowledged(self) -> None:
        """Count as dropped what the kernel took and its system never acknowledged. How many messages that were is an
        estimate, by the mean size of those that were delivered to it.
        """
        size = self.delivered_bytes
        lost = min(self._unacknowledged, size)
        if lost:
            delivered = self.offered()[0] - self.pending(self.hub.splitter())[0] - self.dropped[0]
            self.drop(min(delivered, -(-delivered * lost // size)), lost)

    @property
    def waits(self) -> bool:
        """Whether what it sent has to wait for its `turn` to be handled."""
        return self._tick.published >= self._tick.hold_at

    async def turn(self, size: int) -> None:
        """Return when a message it sent, `size` bytes, may be handled."""
        await self.hub.pacing.turn(self, size)

    def _pace(self, frames: bytes, messages: int) -> None:
        self.last_message = self.hub.clock.time()
        self.hub.pacing.receive(self, frames, messages)

    def _deliver_held(self) -> None:
        """Pass on what pacing holds of it, unless it is to be heard no more."""
        if self._paused & Pause.PACE or self.inbox is not None:
            if self.reason in UNHEARD:
                self.hub.pacing.drop(self)
            else:
                self.hub.pacing.deliver(self)

    def _brake(self, size: int, messages: int) -> None:
        if size >= READ_SIZE:
            self.hub.flush.rest(self)
        for brake in tuple(self.hub.flush.brakes):
            brake.after_read(self, size, messages)
        if self.hub.flush.room < 0:
            self.hub.check_memory()

    def _is_web_page(self, frames: bytes) -> bool:
        config = self.hub.config
        if config.allow_http_lines or not self.hub.framing.is_request(frames):
            return False
        self.hub.log.line(
            WARNING,
            "peer %(id)d %(address)s sent an HTTP request, as a web page does; nothing of it is passed on",
            id=self.id,
            address=self.address,
        )
        self.close(CloseReason.HTTP)
        return True

    def _received(self, frames: bytes, messages: int) -> None:
        if frames and not (self.messages_in == 0 and self._is_web_page(frames)):
            self.messages_in += messages
            self.last_message = self.hub.clock.time()
            self.hub.received(self, frames, messages)

    def _skipped(self) -> int:
        messages = self.splitter.skipped
        self.hub.skipped[self.id] += messages
        self.hub.log.line(
            WARNING,
            "peer %(id)d %(address)s sent what is no message, skipped%(more)s: %(error)s",
            id=self.id,
            address=self.address,
            more="" if messages == 1 else f" with {messages - 1} more",
            error=str(self.splitter.fault),
        )
        return messages

    def _frame_error(self, error: FrameError) -> None:
        self._deliver_held()
        self._received(error.frames, error.count)
        if self.splitter.skipped:
            self._skipped()
        self.hub.log.line(
            WARNING,
            "peer %(id)d %(address)s sent what is no message: %(error)s",
            id=self.id,
            address=self.address,
            error=str(error),
        )
        self.close(CloseReason.FRAME_ERROR)
