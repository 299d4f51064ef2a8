"""Timeouts: peers that take too long over a message, on which nothing moves, or that are far behind for long.

Strategy: no timer is set when something arrives. All peers are looked at four times in the shortest limit, and what
has not changed since the last look is as old as that look at least. So a peer is closed when its time is over, or up
to a quarter of the limit later. The clock is the peer's own: it stands still while we do not read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.peers.rounds import Rounds

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.limits.slowconsumer import SlowConsumers
    from fastserver.peers.peer import Peer
    from fastserver.peers.peermap import PeerMap

LOOKS: Final = 4
"""How often peers are looked at within the shortest limit."""


class Timeouts:
    """The message and idle timeouts of all of `peers`, and `slow_after`, after which `slow_consumers` is told."""

    def __init__(self, config: Config, clock: Clock, peers: PeerMap, slow_consumers: SlowConsumers) -> None:
        self._clock = clock
        self._message = config.message_timeout
        self._idle = config.idle_timeout
        self._slow = config.slow_after
        self._behind = config.max_pending // 4
        self._slow_consumers = slow_consumers
        self._skipped = peers.skipped
        limits = (self._message, self._idle, self._slow)
        shortest = min((limit for limit in limits if limit is not None), default=None)
        self._rounds = None if shortest is None else Rounds(clock, peers, shortest / LOOKS, self._look)
        # What was seen at the last look, and when that was first seen.
        self._begun: dict[Peer, tuple[int, float]] = {}
        self._moved: dict[Peer, tuple[int, int, float]] = {}
        self._over: dict[Peer, float] = {}

    def watch(self) -> None:
        """There is a peer."""
        if self._rounds is not None:
            self._rounds.begin()

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self._begun.pop(peer, None)
        self._moved.pop(peer, None)
        self._over.pop(peer, None)

    def _look(self, peer: Peer) -> None:
        if peer.reason is not None:
            return
        if self._message is not None and self._message_time(peer) >= self._message:
            peer.close(CloseReason.MESSAGE_TIMEOUT)
        elif self._idle is not None and self._idle_time(peer) >= self._idle:
            peer.close(CloseReason.IDLE)
        elif self._slow is not None and (seconds := self._slow_time(peer)) >= self._slow:
            self._slow_consumers.over_for(peer, seconds)

    def _message_time(self, peer: Peer) -> float:
        """For how long a message has been under way, as far as was seen."""
        if not peer.splitter.held:
            self._begun.pop(peer, None)
            return 0.0
        now = peer.read_time
        heard = peer.messages_in + self._skipped[peer.id]
        messages, since = self._begun.get(peer, (-1, now))
        if messages != heard:
            self._begun[peer] = (heard, now)
            return 0.0
        return now - since

    def _idle_time(self, peer: Peer) -> float:
        """For how long nothing has been received, and nothing acknowledged, as far as was seen."""
        now = peer.read_time
        heard, taken, since = self._moved.get(peer, (-1, -1, now))
        # The kernel is asked only where it took something that it had not passed on when last looked at.
        acknowledged = taken if peer.delivered_bytes == taken else peer.acknowledged_bytes
        if heard != peer.bytes_in or acknowledged > taken:
            self._moved[peer] = (peer.bytes_in, acknowledged, now)
            return 0.0
        if acknowledged < taken:  # a Unix socket's kernel counts its overhead too
            self._moved[peer] = (heard, acknowledged, since)
        return now - since

    def _slow_time(self, peer: Peer) -> float:
        """For how long it has been over a quarter of its limit behind, as far as was seen."""
        if peer.pending_bytes <= self._behind:
            self._over.pop(peer, None)
            self._slow_consumers.lasting.discard(peer)
            return 0.0
        now = self._clock.time()
        return now - self._over.setdefault(peer, now)
