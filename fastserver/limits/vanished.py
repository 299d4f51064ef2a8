"""Vanished peers: those whose system answers nothing while something is under way to them.

A peer that is silent the kernel asks by keepalive. While bytes are under way it does not: it sends them again, or asks
whether there is room again, for about 15 minutes. Its own limit for that (TCP_USER_TIMEOUT) also resets a living peer
that does not read, and overrules the number of keepalive probes; so we look ourselves (Linux alone tells what at).

Rule: a peer has vanished when the kernel sent it something again, or asked it, twice at least, and no acknowledgement
of any kind came for the whole time since that was first seen. A system whose program reads nothing, or is suspended,
answers all the same. The kernel asks about a shut window less and less often, at last every two minutes, so that what
was acknowledged long ago is no proof: only questions without an answer are. One may have been lost, or come within the
half second in which Linux answers such only once.

Strategy: all peers are looked at four times in the limit, and for most the look is one system call.
"""

from __future__ import annotations

import struct
from logging import WARNING
from typing import TYPE_CHECKING, Final, NamedTuple

from fastserver.errors import CloseReason
from fastserver.kernel import tcp_info, unacknowledged
from fastserver.peers.rounds import Rounds

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer
    from fastserver.server import Server

LOOKS: Final = 4
"""How often peers are looked at within the limit."""

_INFO: Final = struct.Struct("=2x2B40xI8xI")  # of struct tcp_info: retransmits, probes, last_data_sent, last_ack_recv


class Asked(NamedTuple):
    """What the kernel knows of a connection."""

    retransmissions: int
    """How often it sent the same bytes again without getting further, answered or not."""
    probes: int
    """How often it asked without an answer."""
    sent: float
    """Seconds since bytes were sent last, again or for the first time."""
    answered: float
    """Seconds since the last acknowledgement of any kind."""

    @property
    def in_vain(self) -> bool:
        """Whether it waits for the answer to something it sent again, or asked."""
        return self.probes > 0 or (self.retransmissions > 0 and self.answered > self.sent)

    @classmethod
    def of(cls, descriptor: int) -> Asked | None:
        """That of the socket `descriptor`; None if it cannot be told."""
        info = tcp_info(descriptor)
        if len(info) < _INFO.size:
            return None
        retransmissions, probes, sent, answered = _INFO.unpack_from(info)
        return cls(retransmissions, probes, sent / 1000, answered / 1000)


class Vanished:
    """Closes vanished peers of one server after its `tcp_user_timeout`, reason `reset`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limit = server.config.tcp_user_timeout
        self._rounds = (
            None if self._limit is None else Rounds(server.clock, server.peers, self._limit / LOOKS, self._look)
        )
        self._unanswered: dict[Peer, float] = {}  # since when (loop time, seconds), as far as was seen

    def watch(self) -> None:
        """There is a peer on TCP."""
        if self._rounds is not None:
            self._rounds.begin()

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self._unanswered.pop(peer, None)

    def _look(self, peer: Peer) -> None:
        if peer.closed or peer.transport.is_closing() or peer.descriptor < 0:
            return
        asked = Asked.of(peer.descriptor) if unacknowledged(peer.descriptor) else None
        if asked is None or not asked.in_vain:
            self.forget(peer)
            return
        now = self._server.clock.time()
        since = max(self._unanswered.get(peer, now), now - asked.answered)
        self._unanswered[peer] = since
        twice = asked.probes > 1 or now - asked.sent > since
        if self._limit is not None and now - since >= self._limit and twice:
            self._server.log.line(
                WARNING,
                "peer %(id)d %(address)s has vanished: its system has answered nothing for %(seconds).1f s: closing it",
                id=peer.id,
                address=peer.address,
                seconds=now - since,
            )
            peer.abort(CloseReason.RESET)
