"""The peer map: the peers that are connected, and the figures of the newest that were."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import count
from typing import Final

from fastserver.errors import CloseReason
from fastserver.peers.figures import Counts, Figures
from fastserver.peers.peer import Peer

KEPT: Final = 1000
"""Closed peers whose figures are kept."""


class PeerMap:
    """Peers by id. Iterating gives those connected, oldest first."""

    def __init__(self) -> None:
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
        self.skipped: Counter[int] = Counter()
        """Messages that were skipped (`invalid_text`), by the id of the connected peer that sent them."""
        self.untranslatable: Counter[int] = Counter()
        """Messages that could not be translated, once for each framing, by the id of the connected peer that sent them;
        0 is the program."""
        self._peers: dict[int, Peer] = {}
        self._ids = count(1)
        self.gone = Counts()
        """The counters of all peers that were connected, added up."""

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
        self.skipped.pop(peer.id, None)
        self.untranslatable.pop(peer.id, None)
        self.closed.append(figures)
        self.gone += figures
        self.reasons[str(figures.reason)] += 1
        self.dropped[CloseReason.SLOW_CONSUMER.value] += peer.past.skipped
        self.dropped[str(figures.reason)] += figures.dropped_messages - peer.past.skipped
        return figures

    def totals(self) -> Counts:
        """The counters of all peers that are or were connected, added up."""
        total = self.gone
        for peer in self:
            total += peer.figures()
        return total

    def furthest_behind(self, most: int) -> list[Figures]:
        """Figures of at most that many peers for which something is pending, the most bytes first."""
        behind = [peer for peer in self if peer.pending_bytes]
        behind.sort(key=lambda peer: peer.pending_bytes, reverse=True)
        return [peer.figures() for peer in behind[:most]]
