"""Slow consumers: peers further behind than their limit, and the policy that deals with them.

Policies, all on whole messages that the link was not given:
- `disconnect`: the peer is closed.
- `drop-oldest`: the peer misses the messages that wait longest, until a sixteenth of its limit is free.
- `drop-newest`: the peer misses all that is flushed from now on, until a quarter of its limit is free.
- `latest`: of the messages that wait the peer gets the newest of each channel alone, until it has caught up.
- `block`: senders wait for the peer (see block.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from logging import WARNING
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.fanout.parts import Part
from fastserver.limits.block import Block
from fastserver.peers import notice
from fastserver.peers.membership import hear_again, miss, missing

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.fanout.behind import Behind
    from fastserver.fanout.tick import Tick
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer

FREED: Final = 16
"""`drop-oldest` frees the limit divided by this at a time: one check of all who are behind for so many bytes."""

FAR_BEHIND: Final = 4
"""A peer is far behind over the limit divided by this; `drop-newest` waits until as much is free."""


class Episode:
    """A time during which a peer is a slow consumer."""

    __slots__ = ("dropped", "since", "told")

    def __init__(self, since: float, dropped: int) -> None:
        self.since = since  # loop time, seconds
        self.dropped = dropped  # messages dropped before it
        self.told = dropped  # messages dropped, as far as the peer was told


class SlowConsumers:
    """Applies the policy of `config`. The log tells of each episode how long it was and how many messages it cost."""

    def __init__(self, config: Config, *, clock: Clock, log: Log, flush: Tick, behind: Behind[Peer]) -> None:
        self.lasting: set[Peer] = set()
        """Peers that have been far behind for a long time (`slow_after`)."""
        self.block = Block(config.block_timeout, clock=clock, flush=flush, behind=behind)
        self._clock = clock
        self._log = log
        self._flush = flush
        self._allowance = behind.limit.allowance
        self._policy = config.slow_consumer
        self._limit = config.max_pending
        self._far = config.max_pending // FAR_BEHIND
        self._notify = config.notify_drops
        self._episodes: dict[Peer, Episode] = {}

    def is_far_behind(self, peer: Peer) -> bool:
        """True if more is pending for `peer` than a quarter of its limit."""
        if peer.pending_bytes > self._far:
            return True
        self.lasting.discard(peer)
        return False

    def meet(self, peer: Peer) -> None:
        """Apply the policy to `peer`, which is over the limit."""
        if self._policy == "disconnect":
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
        if peer not in self._episodes:
            self._episodes[peer] = Episode(self._clock.time(), peer.dropped[0])
        if self._policy == "drop-oldest":
            self._drop_oldest(peer)
        elif self._policy == "drop-newest":
            miss(peer)
        elif self._policy == "latest":
            _keep_newest(peer)
        else:
            self.block.wait_for(peer)

    def take(self, peer: Peer) -> tuple[Sequence[Part], int] | None:
        """The parts that `peer`, which is behind, is to receive next, and the messages in them; None at the end."""
        episode = self._episodes.get(peer)
        if episode is None:
            return _take(peer)
        if self._policy == "latest":
            _keep_newest(peer)
        elif self._policy == "block":
            self.block.moved(peer)
        elif self._policy == "drop-newest" and missing(peer) and peer.pending_bytes <= self._limit - self._far:
            hear_again(peer)
            missed = peer.dropped[0] - episode.told
            if missed and self._notify:
                episode.told += missed
                peer.tell(notice.missed(peer.framing, missed))
                self._flush.run()
        taken = _take(peer)
        missed = peer.dropped[0] - episode.told
        if not missed or not self._notify or self._policy == "drop-newest":
            return taken
        episode.told += missed
        parts, messages = taken or ((), 0)
        word = notice.missed(peer.framing, missed)
        peer.offer(1, len(word))
        return (word, *parts), messages + 1

    def _drop_oldest(self, peer: Peer) -> None:
        """Have `peer` skip the messages that have waited longest, until a sixteenth of its limit is free, or no more is
        pending than a single message may have. It gets the messages that its link holds.
        """
        most = self._limit - self._limit // FREED
        while peer.outbox is not None and (excess := peer.pending_bytes - most - self._allowance(peer)) > 0:
            messages, size = peer.outbox.drop_oldest(excess)
            peer.skip(messages, size)
            if not size or not self._allowance(peer):
                break

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
            dropped=peer.dropped[0] - episode.dropped,
        )


def _take(peer: Peer) -> tuple[Sequence[Part], int] | None:
    return None if peer.outbox is None else peer.outbox.take()


def _keep_newest(peer: Peer) -> None:
    """Have `peer` skip all messages that its link does not hold, but for the newest."""
    if peer.outbox is not None:
        peer.skip(*peer.outbox.keep_newest())
