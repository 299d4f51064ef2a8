"""Closing: what is done to a connection on its way to the end (see stages.py).

Rules:
- A connection that is closed takes everything that is pending, within a deadline: then our half ends, then the end of
  its stream is awaited, and that its system has acknowledged everything. All that time the connection is read, since
  unread bytes would make the close a reset, which destroys what its peer has not received yet.
- A connection to which a write failed is read to the end of its stream, since what was sent before may still lie there.
- A connection that ends without having taken everything is reset (see link.py).
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from fastserver.config.listener import Role
from fastserver.errors import CloseReason
from fastserver.fanout.pause import Pause
from fastserver.peers import notice, pending
from fastserver.peers.pending import Owed
from fastserver.peers.stages import TABLE, Do, Event, Stage
from fastserver.peers.unread import Peer as Unreadable

if TYPE_CHECKING:
    import asyncio

    from fastserver.fanout.parts import Part

CLOSE_TIMEOUT: Final = 1.0
"""Seconds a peer that is closed has to take what is pending and end its own stream."""

ACKNOWLEDGED_AFTER: Final = 0.02
"""Seconds after which a peer that is to be closed is asked again whether it has taken everything."""

OURS: Final = (errno.ENOMEM, errno.ENOBUFS, errno.EFAULT)
"""Errors of a write that are not for the connection, which lives: what its peer has got may end anywhere."""


class Connection(Owed, Unreadable, Protocol):
    """A peer, as far as its end depends on it."""

    stage: int
    reason: CloseReason | None
    ended: bool
    deadline: asyncio.TimerHandle | None
    role: Role

    @property
    def is_unix(self) -> bool: ...

    def drop_unheard(self) -> None:
        """Throw away what is held back of it, if nothing more that it sent is to be passed on."""

    def finish_stream(self) -> None:
        """Pass on what is left of its stream, which has ended."""

    def offer(self, messages: int, size: int) -> None: ...


def happen(
    peer: Connection, event: Event, reason: CloseReason = CloseReason.KICKED, within: float = CLOSE_TIMEOUT
) -> None:
    """`event` happens to `peer`, for that reason if it is to end by it, with so many seconds left."""
    step = TABLE[peer.stage].get(event)
    if step is None:
        return
    peer.stage = step.stage
    if step.stage >= Stage.DEAF and peer.reason is None:
        peer.reason = reason
    STEPS[step.do](peer, within)


# Events, with the reason for them.


def write_failed(peer: Connection) -> None:
    """The link of `peer` has an `error`."""
    happen(peer, Event.WRITE_FAILED, CloseReason.RESET if is_reset(peer) else CloseReason.EOF)


def cut_off(peer: Connection, reason: CloseReason) -> None:
    """End the connection of `peer`, without what its link was not given; at once, if there is no last word."""
    happen(peer, Event.CUT_OFF if peer.hub.config.last_word else Event.ABORT, reason)


def turn_away(peer: Connection, reason: CloseReason) -> None:
    """End the connection of `peer`, which was not let in."""
    told = peer.hub.config.last_word and peer.role.receives and not peer.link.closing
    happen(peer, Event.TURN_AWAY if told else Event.ABORT, reason)


def lost(peer: Connection, exc: Exception | None) -> None:
    """The connection of `peer` is gone, because of `exc` if that is not None."""
    try:
        peer.drop_unheard()
        if peer.reason is None:
            reason = _why_lost(peer, exc)
            peer.reason = peer.reason or reason
    finally:
        happen(peer, Event.LOST, CloseReason.INTERNAL_ERROR)


def is_reset(peer: Connection) -> bool:
    """Whether the error of its link means that the stream of `peer` was cut. EPIPE comes after the end of the stream,
    and over a Unix socket nothing that was sent is lost (tcp_reset of Linux, unix(7)).
    """
    return peer.link.error not in (0, errno.EPIPE, errno.ENOTCONN) and not peer.is_unix


def undelivered(peer: Connection) -> int:
    """Bytes of messages that the kernel took and would lose now; 0 where that cannot be told."""
    return 0 if peer.is_unix else peer.link.unacknowledged


def _why_lost(peer: Connection, exc: Exception | None) -> CloseReason:
    """Why the connection ended without our doing. Messages that were read are passed on, but for an unfinished one."""
    if exc is not None and not isinstance(exc, OSError):
        return CloseReason.INTERNAL_ERROR
    if peer.is_unix and not peer.ended:
        # A Unix socket that is closed unread tells of that, but all that was sent has come.
        peer.ended = True
        peer.finish_stream()
    return CloseReason.EOF if exc is None else CloseReason.RESET


# Actions on the way.


def _deafen(peer: Connection, within: float) -> None:
    peer.resume_reading(Pause.NONE)


def _half_close(peer: Connection, within: float) -> None:
    peer.finish_stream()

    def passed_on() -> None:
        if peer.stage == Stage.HALF_CLOSED:
            peer.hub.half_closed(peer)

    peer.hub.pacing.after_held(peer, passed_on)


def _refill(peer: Connection, within: float) -> None:
    peer.hub.behind.refill(peer)


def _drain(peer: Connection, within: float) -> None:
    """Write everything pending."""
    peer.drop_unheard()
    peer.hub.tick.run()  # what was sent before is for it
    if peer.link.error:  # what was sent before has shown that it is gone
        write_failed(peer)
    if peer.stage == Stage.DRAINING:
        _write_last(peer, *pending.take_all(peer), within)


def _drain_held(peer: Connection, within: float) -> None:
    """Write nothing but a last word."""
    pending.drop_unheld(peer)
    _write_last(peer, [], 0, within)


def _write_last(peer: Connection, parts: list[Part], messages: int, within: float) -> None:
    """Offer nothing more; write `parts`, so many messages, and a last word if asked for. Then our half may end."""
    pending.offer_nothing(peer)
    if peer.hub.config.last_word and peer.role.receives and peer.reason is not CloseReason.EOF:
        parts.append(_last_word(peer))
        messages += 1
    _set_deadline(peer, within)
    if parts:
        peer.link.write(parts, messages)
    if peer.link.error:
        write_failed(peer)
    else:
        if not peer.link.stuck:
            happen(peer, Event.EMPTIED)
        peer.resume_reading(Pause.NONE)


def _last_word(peer: Connection) -> bytes:
    word = notice.closing(peer.framing, peer.reason or CloseReason.KICKED)
    peer.offer(1, len(word))
    return word


def _set_deadline(peer: Connection, within: float) -> None:
    if peer.deadline is not None:
        peer.deadline.cancel()
    peer.deadline = peer.hub.clock.call_later(within, happen, peer, Event.ABORT)


def _turn_away(peer: Connection, within: float) -> None:
    peer.link.write([_last_word(peer)], 1)
    peer.link.close()


def _finish(peer: Connection, within: float) -> None:
    """End our half: the kernel has taken everything."""
    peer.link.end()
    _await_end(peer, within)


def _await_end(peer: Connection, within: float = 0.0) -> None:
    """Close the connection when its peer has acknowledged everything, and has ended its half."""
    if peer.stage != Stage.FINISHED or peer.link.closing or (not peer.ended and peer.link.can_end):
        return
    if not undelivered(peer) or peer.link.over:
        happen(peer, Event.ACKNOWLEDGED)
    else:
        peer.hub.clock.call_later(ACKNOWLEDGED_AFTER, _await_end, peer)


def _close(peer: Connection, within: float) -> None:
    peer.link.close()


def _cut(peer: Connection, within: float) -> None:
    """Close at once. A message cut in two is not to pass for the end of the stream, and the kernel is to keep nothing:
    unless its peer has taken everything, the connection is reset.
    """
    reset = peer.link.unsent > 0 or peer.link.error in OURS or undelivered(peer) > 0
    peer.link.forget()
    try:
        pending.drop_all(peer)
    finally:
        peer.link.abort(reset)


def _cut_again(peer: Connection, within: float) -> None:
    """Wait no longer for a transport that closes in order."""
    peer.link.abort(False)


def _read_on(peer: Connection, within: float) -> None:
    """Drop what is pending. A connection that lives is to be reset soon, since what its peer got may end anywhere."""
    peer.link.forget()
    lives = peer.link.error in OURS
    if lives:
        peer.link.reset()
    try:
        pending.drop_all(peer)
    finally:
        if lives:
            peer.hub.clock.call_soon(happen, peer, Event.ABORT, CloseReason.INTERNAL_ERROR)


def _end_reading(peer: Connection, within: float) -> None:
    """All it sent has been read; of an error, the failed write took the news from the read."""
    if is_reset(peer):
        happen(peer, Event.ABORT, CloseReason.RESET)
    else:
        peer.finish_stream()
        happen(peer, Event.ABORT, CloseReason.EOF)


def _lose(peer: Connection, within: float) -> None:
    """Drop what it has not got, and tell the server once everything it sent was passed on."""
    if peer.deadline is not None:
        peer.deadline.cancel()
        peer.deadline = None
    try:
        pending.drop_undelivered(peer, undelivered(peer))
        pending.drop_all(peer)
    finally:
        peer.hub.unread.forget(peer)
        peer.hub.pacing.after_held(peer, lambda: peer.hub.disconnected(peer))


def _drop_held_back(peer: Connection, within: float) -> None:
    peer.hub.pacing.drop(peer)


STEPS: Final[dict[Do, Callable[[Connection, float], None]]] = {
    Do.DEAFEN: _deafen,
    Do.HALF_CLOSE: _half_close,
    Do.REFILL: _refill,
    Do.DRAIN: _drain,
    Do.DRAIN_HELD: _drain_held,
    Do.TURN_AWAY: _turn_away,
    Do.FINISH: _finish,
    Do.AWAIT_END: _await_end,
    Do.CLOSE: _close,
    Do.CUT: _cut,
    Do.CUT_AGAIN: _cut_again,
    Do.READ_ON: _read_on,
    Do.END_READING: _end_reading,
    Do.LOSE: _lose,
    Do.DROP_HELD_BACK: _drop_held_back,
}
"""How each of them is done to a peer with so many seconds left."""
