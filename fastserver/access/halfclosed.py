"""Half-closed peers: those that ended their stream and may go on receiving for a while. Where places run out, the one
that has been so longest makes room: a client that closed its socket looks the same until something is sent to it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer


class HalfClosed:
    """Those of one server, the longest first, in all and by origin. Each step takes the same time however many."""

    def __init__(self) -> None:
        # Not a plain dict: to find its first key takes longer the more before it were deleted.
        self._all: OrderedDict[Peer, None] = OrderedDict()
        self._of: dict[str, OrderedDict[Peer, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, peer: Peer) -> None:
        """`peer` ended its stream."""
        self._all[peer] = None
        if peer.origin is not None:
            self._of.setdefault(peer.origin, OrderedDict())[peer] = None

    def forget(self, peer: Peer) -> None:
        """`peer` is gone, or is to go."""
        self._all.pop(peer, None)
        of = None if peer.origin is None else self._of.get(peer.origin)
        if of is not None and peer.origin is not None:
            of.pop(peer, None)
            if not of:
                del self._of[peer.origin]

    def longest(self, origin: str | None = None) -> Peer | None:
        """The peer that has been half-closed longest, of all or of those of `origin`; None if there is none."""
        return next(iter(self._all if origin is None else self._of.get(origin, ())), None)
