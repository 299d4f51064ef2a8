"""The door: lets peers in that were accepted, or refuses them, and sees them off when their connections are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from logging import INFO, WARNING
from typing import TYPE_CHECKING, Any, Protocol

from fastserver.access import descriptors
from fastserver.access.admission import Admission
from fastserver.access.halfclosed import HalfClosed
from fastserver.config.hostport import host_of, show_address
from fastserver.config.listener import Role
from fastserver.errors import CloseReason
from fastserver.peers.closing import turn_away
from fastserver.peers.peer import Peer
from fastserver.peers.report import lost

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.figures import Figures
    from fastserver.log.log import Log
    from fastserver.peers.peermap import PeerMap
    from fastserver.peers.unread import Unread


class Watcher(Protocol):
    """A part that begins to watch peers when they come."""

    def watch(self, peer: Peer) -> object:
        """Watch `peer`, which is let in."""


class Keeper(Protocol):
    """A part that may keep something of a peer while it is there."""

    def forget(self, peer: Peer) -> object:
        """Keep nothing more of `peer`, which is gone."""


class Greeter(Protocol):
    """The program, which is told of peers that come and go."""

    def connected(self, peer: Peer) -> object:
        """Do what is due for `peer`, which was let in and of which nothing was received yet."""

    def disconnected(self, peer: Peer) -> object:
        """Do what is due for `peer`, which was let in and is no longer there."""


class Door:
    """Lets peers in as `config` says, and tells all parts of them when they come and go."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        log: Log,
        peers: PeerMap,
        unread: Unread,
        watchers: Sequence[Watcher],
        keepers: Sequence[Keeper],
        greeter: Greeter,
    ) -> None:
        self.shut = False
        """Nobody is let in any more."""
        self.emptied = asyncio.Event()
        """Set when the last peer has gone."""
        self.ceiling = descriptors.ceiling()
        """The descriptor from which on peers are refused."""
        self.refused_in_a_row = 0
        """Peers refused for want of descriptors since one was let in."""
        self.half_closed = HalfClosed()
        self._clock = clock
        self._log = log
        self._peers = peers
        self._unread = unread
        self.admission = Admission(config)
        self._send_buffer = config.send_buffer
        self._half_close_timeout = config.half_close_timeout
        self._watchers = watchers
        self._keepers = (*keepers, self.half_closed)
        self._greeter = greeter

    def open(self) -> None:
        """Let in as many peers as this process may have descriptors for now."""
        self.ceiling = descriptors.ceiling()

    # Coming.

    def connected(self, peer: Peer) -> None:
        """Let in `peer`, which was accepted, unless a limit refuses it or the door is shut."""
        host = self._identify(peer, peer.link.name)
        if self.shut:
            peer.abort(CloseReason.SHUTDOWN)
            return
        now = self._clock.time()
        reason = self._refusal(peer, host, now)
        if reason is None:
            self._let_in(peer, now)
        else:
            self._refuse(peer, reason)

    def _identify(self, peer: Peer, name: Any) -> str | None:
        """Find out who `peer` is by `name`, its socket address; its IP address, None if it has none."""
        if isinstance(name, tuple):
            peer.address = show_address(name)
            return host_of(name)
        if self._send_buffer is not None:
            peer.link.limit(self._send_buffer)  # TCP has it from the listener
        return None

    def _refusal(self, peer: Peer, host: str | None, now: float) -> CloseReason | None:
        """The reason why `peer` is refused; None if it is not, maybe since another made room for it."""
        reason = self.admission.refusal(peer, host, len(self._peers), now)
        if reason is not None and not self._take_place(peer, reason):
            return reason
        full = peer.link.number >= self.ceiling
        return CloseReason.DESCRIPTORS if full and not self._make_room(CloseReason.DESCRIPTORS) else None

    def _let_in(self, peer: Peer, now: float) -> None:
        if self.refused_in_a_row:
            self._log.line(WARNING, "accepting again; %(refused)d peers were refused", refused=self.refused_in_a_row)
            self.refused_in_a_row = 0
        self.admission.add(peer, now)
        self._peers.add(peer)
        for watcher in self._watchers:
            watcher.watch(peer)
        role = "" if peer.role is Role.BOTH else ", role %(role)s"
        fields: dict[str, Any] = {"id": peer.id, "address": peer.address, "role": peer.role}
        channel = ""
        if peer.channel.name:
            channel = ", channel %(channel)s"
            fields["channel"] = peer.channel.name
        self._log.line(INFO, "peer %(id)d %(address)s connected" + role + channel, **fields)
        self._greeter.connected(peer)

    def _refuse(self, peer: Peer, reason: CloseReason) -> None:
        self._peers.refused[reason.value] += 1
        if reason is not CloseReason.DESCRIPTORS:
            self._log.line(WARNING, "refused %(address)s: %(reason)s", address=peer.address, reason=reason)
        else:
            if not self.refused_in_a_row:
                self._log.line(
                    WARNING,
                    "no file descriptors left: refusing new peers, %(peers)d are connected",
                    peers=len(self._peers),
                )
            self.refused_in_a_row += 1
        turn_away(peer, reason)

    def _take_place(self, peer: Peer, refusal: CloseReason) -> bool:
        """True if a half-closed peer has made room for `peer`, which is refused for that reason alone."""
        if refusal is CloseReason.MAX_PEERS:
            return self._make_room(CloseReason.EOF)
        return refusal is CloseReason.MAX_PEERS_PER_ADDRESS and self._make_room(CloseReason.EOF, peer.origin)

    def _make_room(self, reason: CloseReason, origin: str | None = None) -> bool:
        """Close the peer that has been half-closed longest, of all or of those of `origin`; false if there is none."""
        peer = self.half_closed.longest(origin)
        if peer is None:
            return False
        self.half_closed.forget(peer)
        peer.abort(reason)
        return True

    # Going.

    def half_close(self, peer: Peer) -> None:
        """Let `peer`, which ended its stream, receive for a while, if it receives."""
        if not peer.role.receives:
            peer.close(CloseReason.EOF)
            return
        self.half_closed.add(peer)
        self._unread.add(peer)
        peer.expire(self._half_close_timeout)

    def disconnected(self, peer: Peer) -> None:
        """Take `peer`, whose connection is gone, off all books, also where something fails on the way."""
        was_in = peer.id in self._peers
        try:
            self._attempt(Peer.leave_all, peer)
            for keeper in self._keepers:
                self._attempt(keeper.forget, peer)
            if was_in:
                self._attempt(self.admission.remove, peer)
                self._attempt(self._see_off, peer)
        finally:
            if was_in and not self._peers:
                self.emptied.set()

    def _see_off(self, peer: Peer) -> None:
        try:
            self._log_end(self._peers.remove(peer))
        finally:
            self._greeter.disconnected(peer)

    def _log_end(self, figures: Figures) -> None:
        self._log.line(
            INFO,
            "peer %(id)d %(address)s disconnected: %(reason)s; %(messages_in)d messages (%(bytes_in)d bytes) in, "
            "%(messages_out)d messages (%(bytes_out)d bytes) out, %(dropped_messages)d messages dropped"
            + lost(figures),
            **figures.fields(),
        )

    def _attempt(self, call: Callable[[Peer], object], peer: Peer) -> None:
        """`call(peer)`. An error is logged, and does not prevent the other calls that are due for `peer`."""
        try:
            call(peer)
        except Exception as error:
            self._log.failure(
                "failed while peer %(id)d %(address)s left: %(error)s", error, id=peer.id, address=peer.address
            )
