"""The end of what is pending for a peer whose connection ends: it is written after all, or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from fastserver.peers import books
from fastserver.peers.books import Account, Amount

if TYPE_CHECKING:
    from fastserver.fanout.parts import Part
    from fastserver.peers.hub import Hub


class Owed(Account, Protocol):
    """A peer, as far as that depends on it."""

    hub: Hub[Any]

    def pending(self) -> Amount: ...

    def leave_all(self) -> None: ...


def take_all(peer: Owed) -> tuple[list[Part], int]:
    """Everything that the link of `peer` was not given, with the number of messages in it."""
    parts: list[Part] = []
    messages = 0
    while peer.outbox is not None and (taken := peer.outbox.take()) is not None:
        parts += taken[0]
        messages += taken[1]
    return parts, messages


def offer_nothing(peer: Owed) -> None:
    """Leave all channels: nothing more will be pending."""
    peer.hub.behind.forget(peer)
    peer.leave_all()


def drop_unheld(peer: Owed) -> None:
    """Drop everything that the link of `peer` was not given."""
    if peer.outbox is not None:
        peer.drop(*peer.outbox.pending)
        _end_outbox(peer)


def drop_all(peer: Owed) -> None:
    """Drop everything, and offer nothing more."""
    peer.hub.behind.forget(peer)
    try:
        peer.drop(*peer.pending())
    finally:
        peer.link.drop()
        _end_outbox(peer)
        peer.leave_all()


def drop_undelivered(peer: Owed, size: int) -> None:
    """Drop the last `size` bytes that the kernel took: the peer's system never acknowledged them."""
    if size:
        peer.drop(*books.undelivered(peer, peer.pending(), size))


def _end_outbox(peer: Owed) -> None:
    outbox, peer.outbox = peer.outbox, None
    if outbox is not None:
        outbox.clear()  # also where it is being taken from just now
