"""The peer map: the peers that are connected, and the figures of the newest that were."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.figures import Counts, Figures
from fastserver.peers.losses import NOBODY, Losses
from fastserver.peers.peer import Peer

if TYPE_CHECKING:
    from fastserver.log.log import Log

KEPT: Final = 1000
"""Closed peers whose figures are kept."""


class PeerMap:
    """Peers by id. Iterating gives those connected, oldest first."""

    def __init__(self, log: Log) -> None:
        self.closed: deque[Figures] = deque(maxlen=KEPT)
        """Figures of the newest closed peers, oldest first."""
        self.accepted = 0
        """Peers that were ever connected."""
        self.reasons: Counter[str] = Counter()
        """How many peers ended, by close reason."""
        self.dropped: Counter[str] = Counter()
        """Messages that closed peers did not get: by close reason, or `slow_consumer` for those missed before."""
        self.refused: Counter[str] = Counter()
        """How many connections were refused, by close reason."""
        self.throttled: Counter[str] = Counter()
        """How often a peer was read no further for a while, by the setting that it went over."""
        self._peers: dict[int, Peer] = {}
        self.losses = Losses(log, self._peers)
        """Messages of the connected peers that others did not get."""
        self._ids = count(1)
        self._left = Counts()  # the counters of those that were, added up

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))  # peers may come and go meanwhile

    def __getitem__(self, id: int) -> Peer:
        return self._peers[id]

    def __contains__(self, id: int) -> bool:
        return id in self._peers

    def add(self, peer: Peer) -> None:
        """Give `peer` its id and keep it."""
        peer.id = self.number()
        self._peers[peer.id] = peer
        self.accepted += 1

    def number(self) -> int:
        """An id that no peer has had."""
        return next(self._ids)

    def remove(self, peer: Peer) -> Figures:
        """Forget `peer`, which is closed, but for its figures."""
        del self._peers[peer.id]  # first: whatever else fails, it is not there any more
        figures = peer.figures()
        self.losses.forget(peer.id)
        self.closed.append(figures)
        self._left += figures
        self.reasons[str(figures.reason)] += 1
        self.dropped[CloseReason.SLOW_CONSUMER.value] += peer.past.skipped
        self.dropped[str(figures.reason)] += figures.dropped_messages - peer.past.skipped
        return figures

    def totals(self) -> Counts:
        """The counters of all peers that are or were connected, added up, and of the program."""
        total = self.left
        for peer in self:
            total += peer.figures()
        return total

    @property
    def left(self) -> Counts:
        """The counters of all peers that were connected, and of the program, added up."""
        return self._left + Counts(untranslatable_messages=self.losses.untranslatable[NOBODY])
