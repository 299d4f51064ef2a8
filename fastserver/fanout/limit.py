"""The limit of how far a peer may be behind."""

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
    """

    __slots__ = ("bytes", "largest")

    def __init__(self, size: int) -> None:
        self.bytes = size
        self.largest = 0
        """Bytes that a message has at least, among what was flushed since some peer is behind."""

    def allowance(self, peer: Debtor) -> int:
        """Bytes that `peer` may be behind beyond the limit, since a large message is pending for it."""
        if self.largest <= self.bytes // SHARE:
            return 0
        largest = peer.largest_pending()
        return largest if largest > self.bytes // SHARE else 0

    def beyond(self, peer: Debtor, pending: int) -> int:
        """Bytes by which `peer`, for whom so many are pending, is over the limit; how many it may still get, negative,
        if it is not.
        """
        beyond = pending - self.bytes
        return beyond - self.allowance(peer) if beyond > 0 else beyond
