"""The limit of how far a peer may be behind, and when the next may be over it.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from typing import Final, Protocol

SHARE: Final = 2
"""A message is large if it is larger than the limit divided by this: it may be pending beside as much as the limit."""


class Debtor(Protocol):
    """A peer, as far as its limit depends on it."""

    @property
    def pending_bytes(self) -> int: ...

    def largest_pending(self) -> int: ...


class Limit:
    """The limit of all peers of one server: each may be `bytes` behind, and one message, however large, may always be
    pending whole.

    What is pending for a peer grows by no more than what is flushed. So that is counted while some peer is behind, and
    peers are looked at again when the first can be over the limit.
    """

    __slots__ = ("_check_at", "_flushed", "_largest", "bytes")

    def __init__(self, size: int) -> None:
        self.bytes = size
        self._flushed = 0  # bytes
        self._check_at = 0  # no peer can be over the limit before `_flushed` passes it
        self._largest = 0  # bytes that a message has at least, among what was flushed since some peer is behind

    def begin(self) -> None:
        """A peer is behind, where none was."""
        self._largest = 0
        self.begin_check()

    def begin_check(self) -> None:
        """All peers are looked at now."""
        self._check_at = self._flushed + self.bytes

    def flushed(self, size: int, largest: int) -> bool:
        """Count so many bytes as flushed, of which some message has at least `largest`. Gives whether a peer may be
        over the limit by now.
        """
        self._flushed += size
        if largest > self._largest:
            self._largest = largest
        return self._flushed > self._check_at

    def look_at(self, peer: Debtor) -> None:
        """Have `peer` looked at before it can be over the limit."""
        self._check_at = min(self._check_at, self._flushed - self.beyond(peer))

    def allowance(self, peer: Debtor) -> int:
        """Bytes that `peer` may be behind beyond the limit, since a large message is pending for it."""
        if self._largest <= self.bytes // SHARE:
            return 0
        largest = peer.largest_pending()
        return largest if largest > self.bytes // SHARE else 0

    def beyond(self, peer: Debtor) -> int:
        """Bytes by which `peer` is over the limit; how many it may still get, negative, if it is not."""
        beyond = peer.pending_bytes - self.bytes
        return beyond - self.allowance(peer) if beyond > 0 else beyond
