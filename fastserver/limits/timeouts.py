"""Timeouts: peers that take too long over a message, on which nothing moves, or that are far behind for long.

Strategy: no timer is set when something arrives. All peers are checked four times in the shortest limit, and whatever
has not changed since the last check is as old as that check at least. So a peer is closed when its time is over, or up
to a quarter of the limit later. The clock is the peer's own: it stands still while we do not read it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.peers.rounds import Rounds

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.limits.slowconsumer import SlowConsumers
    from fastserver.peers.peer import Peer
    from fastserver.peers.peermap import PeerMap

CHECKS: Final = 4
"""Peers are checked so often within the shortest limit."""


class Timeouts:
    """Closes peers after the message and idle timeouts, and tells `slow_consumers` after `slow_after`."""

    def __init__(self, config: Config, *, clock: Clock, peers: PeerMap, slow_consumers: SlowConsumers) -> None:
        self._clock = clock
        self._message = config.message_timeout
        self._idle = config.idle_timeout
        self._slow = config.slow_after
        self._slow_consumers = slow_consumers
        self._skipped: Counter[int] = peers.losses.skipped
        limits = (self._message, self._idle, self._slow)
        shortest = min((limit for limit in limits if limit is not None), default=None)
        self._rounds = None if shortest is None else Rounds(clock, peers, shortest / CHECKS, self._check)
        # Of the last check, with the time at which it was first so (the peer's own, but that of `_behind`, seconds):
        self._begun: dict[Peer, tuple[int, float]] = {}  # messages that peers with an unfinished one had sent
        self._moved: dict[Peer, tuple[int, int, float]] = {}  # bytes received and acknowledged
        self._behind: dict[Peer, float] = {}  # peers that were far behind

    def watch(self, peer: Peer) -> None:
        """Check `peer`, which has come, now and then."""
        if self._rounds is not None:
            self._rounds.begin()

    def forget(self, peer: Peer) -> None:
        """Know nothing more of `peer`, which is gone."""
        self._begun.pop(peer, None)
        self._moved.pop(peer, None)
        self._behind.pop(peer, None)

    def _check(self, peer: Peer) -> None:
        if peer.reason is not None:
            return
        if self._message is not None and self._message_time(peer) >= self._message:
            peer.close(CloseReason.MESSAGE_TIMEOUT)
        elif self._idle is not None and self._idle_time(peer) >= self._idle:
            peer.close(CloseReason.IDLE)
        elif self._slow is not None and (seconds := self._behind_time(peer)) >= self._slow:
            self._slow_consumers.over_for(peer, seconds)

    def _message_time(self, peer: Peer) -> float:
        """Seconds for which the same message of `peer` has been unfinished, as far as was seen."""
        if not peer.splitter.held:
            self._begun.pop(peer, None)
            return 0.0
        now = peer.read_time
        sent = peer.messages_in + self._skipped[peer.id]
        messages, since = self._begun.get(peer, (-1, now))
        if messages != sent:
            self._begun[peer] = (sent, now)
            return 0.0
        return now - since

    def _idle_time(self, peer: Peer) -> float:
        """Seconds for which nothing was received and nothing acknowledged, as far as was seen."""
        now = peer.read_time
        received, taken, since = self._moved.get(peer, (-1, -1, now))
        # The kernel is asked only where it held something at the last check that the peer had not acknowledged.
        acknowledged = taken if peer.delivered_bytes == taken else peer.acknowledged_bytes
        if received != peer.bytes_in or acknowledged > taken:
            self._moved[peer] = (peer.bytes_in, acknowledged, now)
            return 0.0
        if acknowledged < taken:  # a Unix socket's kernel counts its overhead too
            self._moved[peer] = (received, acknowledged, since)
        return now - since

    def _behind_time(self, peer: Peer) -> float:
        """Seconds for which `peer` has been far behind, as far as was seen."""
        if not self._slow_consumers.is_far_behind(peer):
            self._behind.pop(peer, None)
            return 0.0
        now = self._clock.time()
        return now - self._behind.setdefault(peer, now)
