"""Half-closed peers: they ended their stream and may go on receiving for a while. When places run out, the one that has
been half-closed longest makes room: a client that closed its socket looks the same until something is sent to it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer


class HalfClosed:
    """The half-closed peers, the longest first, in all and by origin. No step takes longer the more there are."""

    def __init__(self) -> None:
        # No plain dict: finding its first key takes longer the more keys before it were deleted.
        self._all: OrderedDict[Peer, None] = OrderedDict()
        self._of: dict[str, OrderedDict[Peer, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, peer: Peer) -> None:
        """Add `peer`, which ended its stream."""
        self._all[peer] = None
        if peer.origin is not None:
            self._of.setdefault(peer.origin, OrderedDict())[peer] = None

    def forget(self, peer: Peer) -> None:
        """Keep nothing more of `peer`, which is gone or makes room."""
        self._all.pop(peer, None)
        of = None if peer.origin is None else self._of.get(peer.origin)
        if of is not None and peer.origin is not None:
            of.pop(peer, None)
            if not of:
                del self._of[peer.origin]

    def longest(self, origin: str | None = None) -> Peer | None:
        """The peer that has been half-closed longest, of all or of those of `origin`; None if there is none."""
        return next(iter(self._all if origin is None else self._of.get(origin, ())), None)
