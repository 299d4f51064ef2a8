"""Slow consumers: peers further behind than their limit, and what becomes of them.

Policies, all on whole messages that the transport has not been given:
- `disconnect`: it is closed.
- `drop-oldest`: it misses what it has waited for longest, until a sixteenth of its limit is free.
- `drop-newest`: it misses what is flushed from now on, until a quarter of its limit is free.
- `latest`: of what waits it gets the newest message of each channel alone, until it has caught up.
- `block`: senders wait for it (see block.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from logging import WARNING
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.fanout.backlog import Part
from fastserver.limits.block import Block
from fastserver.peers import notice

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer
    from fastserver.server import Server

POLICIES: Final = ("disconnect", "drop-oldest", "drop-newest", "latest", "block")

SHARE: Final = 16
"""Part of its limit that `drop-oldest` makes free at a time: one look at all who are behind for so many bytes."""


class Episode:
    """A time during which a peer is a slow consumer."""

    __slots__ = ("dropped", "since", "told")

    def __init__(self, since: float, dropped: int) -> None:
        self.since = since  # loop time, seconds
        self.dropped = dropped  # messages, before it
        self.told = dropped  # messages, as far as the peer knows


class SlowConsumers:
    """The policy of one server. Its log says of each episode how long it was and how many messages it cost."""

    def __init__(self, server: Server) -> None:
        config = server.config
        self.lasting: set[Peer] = set()
        """Peers that have been far behind for a long time (`slow_after`)."""
        self.block = Block(server, config.max_pending, config.block_timeout)
        self._server = server
        self._policy = config.slow_consumer
        self._limit = config.max_pending
        self._notify = config.notify_drops
        self._episodes: dict[Peer, Episode] = {}

    def meet(self, peer: Peer) -> None:
        """`peer` is over the limit."""
        if self._policy == "disconnect":
            self._server.log.line(
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
            self._episodes[peer] = Episode(self._server.clock.time(), peer.dropped[0])
        if self._policy == "drop-oldest":
            self._server.flush.drop_oldest(peer, self._limit - self._limit // SHARE)
        elif self._policy == "drop-newest":
            peer.miss()
        elif self._policy == "latest":
            self._server.flush.keep_newest(peer)
        else:
            self.block.wait_for(peer)

    def take(self, peer: Peer) -> tuple[Sequence[Part], int] | None:
        """What `peer`, which is behind, is to receive next, with the number of messages in it; None at the end."""
        episode = self._episodes.get(peer)
        if episode is None:
            return self._server.flush.take(peer)
        if self._policy == "latest":
            self._server.flush.keep_newest(peer)
        elif self._policy == "block":
            self.block.moved(peer)
        elif self._policy == "drop-newest" and peer.missing and peer.pending_bytes <= self._limit * 3 // 4:
            peer.hear_again()
            missed = peer.dropped[0] - episode.told
            if missed and self._notify:
                episode.told += missed
                peer.tell(notice.missed(self._server.hub, missed))
                self._server.flush.run()
        taken = self._server.flush.take(peer)
        missed = peer.dropped[0] - episode.told
        if not missed or not self._notify or self._policy == "drop-newest":
            return taken
        episode.told += missed
        parts, messages = taken or ((), 0)
        word = notice.missed(self._server.hub, missed)
        peer.offer(1, len(word))
        return (word, *parts), messages + 1

    def over_for(self, peer: Peer, seconds: float) -> None:
        """`peer` has been more than a quarter of its limit behind for that long, which is `slow_after`."""
        if peer in self.lasting:
            return
        self.lasting.add(peer)
        close = self._policy == "disconnect"
        self._server.log.line(
            WARNING,
            "peer %(id)d %(address)s has been more than %(quarter)d bytes behind for %(seconds).1f s%(closing)s",
            id=peer.id,
            address=peer.address,
            quarter=self._limit // 4,
            seconds=seconds,
            closing=": closing it" if close else "",
        )
        if close:
            peer.cut_off(CloseReason.SLOW_CONSUMER)

    def caught_up(self, peer: Peer) -> None:
        """`peer` is behind no more."""
        self._end(peer, "has caught up")

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self._end(peer, "is gone")
        self.block.forget(peer)
        self.lasting.discard(peer)

    def _end(self, peer: Peer, how: str) -> None:
        episode = self._episodes.pop(peer, None)
        if episode is None:
            return
        self.block.release(peer)
        self._server.log.line(
            WARNING,
            "slow consumer %(id)d %(address)s " + how + " after %(seconds).1f s; policy %(policy)s, "
            "%(dropped)d messages dropped for it",
            id=peer.id,
            address=peer.address,
            seconds=self._server.clock.time() - episode.since,
            policy=self._policy,
            dropped=peer.dropped[0] - episode.dropped,
        )
