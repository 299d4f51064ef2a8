"""Vanished peers: those whose system answers nothing while something is under way to them.

The kernel probes a silent peer by keepalive. While bytes are under way it does not: it retransmits them, or probes a
shut window, for about 15 minutes. Its own limit for that (TCP_USER_TIMEOUT) also resets a living peer that does not
read, and overrules the number of keepalive probes; so we check ourselves (on Linux, which alone tells the facts).

Rule: a peer has vanished when the kernel retransmitted to it or probed it, twice at least, and no acknowledgement of
any kind came for the whole time since that was first seen. A system whose program reads nothing, or is suspended,
acknowledges all the same. The kernel probes a shut window less and less often, at last every two minutes, so an old
acknowledgement is no proof: only probes without an answer are. One probe may have been lost, or have come within the
half second in which Linux answers only one.

Strategy: all peers are checked four times in the limit; for most of them the check is one system call.
"""

from __future__ import annotations

import struct
from logging import WARNING
from typing import TYPE_CHECKING, Final, NamedTuple

from fastserver.errors import CloseReason
from fastserver.kernel import tcp_info, unacknowledged
from fastserver.peers.rounds import Rounds

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer
    from fastserver.peers.peermap import PeerMap

CHECKS: Final = 4
"""Peers are checked so often within the limit."""

_INFO: Final = struct.Struct("=2x2B40xI8xI")  # of struct tcp_info: retransmits, probes, last_data_sent, last_ack_recv


class Probed(NamedTuple):
    """The answers of a connection to the kernel."""

    retransmissions: int
    """Times that the same bytes were sent without progress, answered or not."""
    probes: int
    """Probes without an answer."""
    sent: float
    """Seconds since bytes were last sent, for the first time or again."""
    answered: float
    """Seconds since the last acknowledgement of any kind."""

    @property
    def in_vain(self) -> bool:
        """True if a retransmission or a probe is unanswered."""
        return self.probes > 0 or (self.retransmissions > 0 and self.answered > self.sent)

    @classmethod
    def of(cls, descriptor: int) -> Probed | None:
        """The answers of the connection behind `descriptor`; None if they cannot be told."""
        info = tcp_info(descriptor)
        if len(info) < _INFO.size:
            return None
        retransmissions, probes, sent, answered = _INFO.unpack_from(info)
        return cls(retransmissions, probes, sent / 1000, answered / 1000)


class Vanished:
    """Closes vanished peers after `limit` seconds (`tcp_user_timeout`; None: never), with reason `reset`."""

    def __init__(self, limit: float | None, *, clock: Clock, log: Log, peers: PeerMap) -> None:
        self._clock = clock
        self._log = log
        self._limit = limit
        self._rounds = None if self._limit is None else Rounds(clock, peers, self._limit / CHECKS, self._check)
        self._unanswered: dict[Peer, float] = {}  # since when (loop time, seconds), as far as was seen

    def watch(self, peer: Peer) -> None:
        """Check `peer`, which has come, now and then."""
        if self._rounds is not None and peer.link.descriptor >= 0:
            self._rounds.begin()

    def forget(self, peer: Peer) -> None:
        """Know nothing more of `peer`, which is gone."""
        self._unanswered.pop(peer, None)

    def _check(self, peer: Peer) -> None:
        if peer.closed or peer.link.closing or peer.link.descriptor < 0:
            return
        probed = Probed.of(peer.link.descriptor) if unacknowledged(peer.link.descriptor) else None
        if probed is None or not probed.in_vain:
            self.forget(peer)
            return
        now = self._clock.time()
        since = max(self._unanswered.get(peer, now), now - probed.answered)
        self._unanswered[peer] = since
        twice = probed.probes > 1 or now - probed.sent > since
        if self._limit is not None and now - since >= self._limit and twice:
            self._log.line(
                WARNING,
                "peer %(id)d %(address)s has vanished: its system has answered nothing for %(seconds).1f s: closing it",
                id=peer.id,
                address=peer.address,
                seconds=now - since,
            )
            peer.abort(CloseReason.RESET)
