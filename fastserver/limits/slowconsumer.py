"""Slow consumers: peers further behind than their limit. Each has an episode, in which a policy acts on its outbox."""

from __future__ import annotations

from logging import WARNING
from typing import TYPE_CHECKING

from fastserver.errors import CloseReason
from fastserver.limits.block import Block
from fastserver.limits.episode import EPISODES, FAR_BEHIND, Episode, Terms

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.fanout.behind import Behind
    from fastserver.fanout.tick import Tick
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer


class SlowConsumers:
    """Applies the policy of `config`. The log tells of each episode how long it was and how many messages it cost."""

    def __init__(self, config: Config, *, clock: Clock, log: Log, tick: Tick, behind: Behind[Peer]) -> None:
        self.lasting: set[Peer] = set()
        """Peers that have been far behind for a long time (`slow_after`)."""
        self.block = Block(config.block_timeout, clock=clock, tick=tick, behind=behind)
        self._clock = clock
        self._log = log
        self._policy = config.slow_consumer
        self._limit = config.max_pending
        self._far = config.max_pending // FAR_BEHIND
        self._terms = Terms(behind.limit, self.block, config.notify_drops)
        self._episodes: dict[Peer, Episode] = {}

    def is_far_behind(self, peer: Peer) -> bool:
        """True if more is pending for `peer` than a quarter of its limit."""
        if peer.pending_bytes > self._far:
            return True
        self.lasting.discard(peer)
        return False

    def meet(self, peer: Peer) -> None:
        """Apply the policy to `peer`, which is over the limit."""
        if self._policy not in EPISODES:
            self._log.line(
                WARNING,
                "peer %(id)d %(address)s is %(pending)d bytes behind, more than %(limit)d: closing it",
                id=peer.id,
                address=peer.address,
                pending=peer.pending_bytes,
                limit=self._limit,
            )
            peer.cut_off(CloseReason.SLOW_CONSUMER)
            return
        episode = self._episodes.get(peer)
        if episode is None:
            episode = EPISODES[self._policy](peer, self._terms, self._clock.time())
            self._episodes[peer] = episode
            if peer.outbox is not None:
                peer.outbox.episode = episode
        episode.act()

    def over_for(self, peer: Peer, seconds: float) -> None:
        """Log that `peer` has been far behind for `seconds`, which is `slow_after`; under `disconnect`, close it."""
        if peer in self.lasting:
            return
        self.lasting.add(peer)
        close = self._policy == "disconnect"
        self._log.line(
            WARNING,
            "peer %(id)d %(address)s has been more than %(quarter)d bytes behind for %(seconds).1f s%(closing)s",
            id=peer.id,
            address=peer.address,
            quarter=self._far,
            seconds=seconds,
            closing=": closing it" if close else "",
        )
        if close:
            peer.cut_off(CloseReason.SLOW_CONSUMER)

    def caught_up(self, peer: Peer) -> None:
        """End the episode of `peer`, which is behind no more."""
        self._end_episode(peer, "has caught up")

    def forget(self, peer: Peer) -> None:
        """Know nothing more of `peer`, which is gone."""
        self._end_episode(peer, "is gone")
        self.block.forget(peer)
        self.lasting.discard(peer)

    def _end_episode(self, peer: Peer, how: str) -> None:
        episode = self._episodes.pop(peer, None)
        if episode is None:
            return
        self.block.release(peer)
        self._log.line(
            WARNING,
            "slow consumer %(id)d %(address)s " + how + " after %(seconds).1f s; policy %(policy)s, "
            "%(dropped)d messages dropped for it",
            id=peer.id,
            address=peer.address,
            seconds=self._clock.time() - episode.since,
            policy=self._policy,
            dropped=peer.dropped[0] - episode.before,
        )
