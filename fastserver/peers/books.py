"""The books of a peer: how much it was offered, how much is pending, and how much was dropped; messages and bytes.

Deliveries are not counted but follow: offered less pending less dropped. Offers are counted by the memberships; only
what is in none of them is booked here, so the books of a peer that keeps up cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, cast

from fastserver.fanout.member import Receiver

if TYPE_CHECKING:
    from fastserver.framing.framing import Splitter
    from fastserver.peers.link import Link

Amount = tuple[int, int]
"""Messages and bytes."""


class Past:
    """Amounts that are in no membership: of channels that the peer left, and of no channel."""

    __slots__ = ("dropped", "offered", "skipped")

    def __init__(self) -> None:
        self.offered: Amount = (0, 0)
        self.dropped: Amount = (0, 0)
        self.skipped = 0
        """Messages dropped because the peer was too far behind."""

    def offer(self, messages: int, size: int) -> None:
        """Book more as offered."""
        self.offered = (self.offered[0] + messages, self.offered[1] + size)

    def drop(self, messages: int, size: int) -> None:
        """Book more of what was offered as dropped."""
        self.dropped = (self.dropped[0] + messages, self.dropped[1] + size)

    def skip(self, messages: int, size: int) -> None:
        """Book more of what was offered as dropped, since the peer is too far behind."""
        self.skipped += messages
        self.drop(messages, size)

    def lose(self, messages: int, size: int) -> None:
        """Book more as offered and as dropped: both or none, also where memory runs out."""
        dropped = (self.dropped[0] + messages, self.dropped[1] + size)
        self.offer(messages, size)
        self.dropped = dropped


NOTHING: Final = Past()
"""The past of a peer that only ever received what it was offered."""


class Account(Receiver, Protocol):
    """A peer, as far as its books depend on it."""

    link: Link
    past: Past


def own(peer: Account) -> Past:
    """The past of `peer`, to be added to."""
    if peer.past is NOTHING:
        peer.past = Past()
    return peer.past


def offered(peer: Account) -> Amount:
    """The amount that flushes brought to it."""
    messages, size = peer.past.offered
    for member in peer.members:
        more, bytes_more = member.offered
        messages += more
        size += bytes_more
    return messages, size


def dropped(peer: Account) -> Amount:
    """The amount it was offered and will not get."""
    messages, size = peer.past.dropped
    for member in peer.members:
        if not member.missing:  # all of them are, or none
            break
        more, bytes_more = member.offered
        messages += more
        size += bytes_more
    return messages, size


def pending(peer: Account, splitter: Splitter) -> Amount:
    """The amount offered that the kernel has not taken, ours and the link's. `splitter` is a new one of the framing."""
    messages, size = peer.link.pending(splitter)
    if peer.outbox is not None:
        more, bytes_more = peer.outbox.pending
        messages += more
        size += bytes_more
    return messages, size


def pending_bytes(peer: Account) -> int:
    """The bytes of `pending`."""
    size = peer.link.unsent
    return size if peer.outbox is None else size + peer.outbox.pending[1]


def delivered_bytes(peer: Account) -> int:
    """Bytes that the kernel took."""
    return offered(peer)[1] - pending_bytes(peer) - dropped(peer)[1]


def acknowledged_bytes(peer: Account) -> int:
    """Bytes that the other system acknowledged, as far as can be told: progress finer than what the kernel takes, which
    takes in lumps of a third of its send buffer."""
    return max(0, delivered_bytes(peer) - peer.link.unacknowledged)


def undelivered(peer: Account, pending: Amount, size: int) -> Amount:
    """The amount in the last `size` bytes that the kernel took. How many messages that were is an estimate, by the mean
    size of those that were delivered."""
    messages, delivered = (
        all - waits - lost for all, waits, lost in zip(offered(peer), pending, dropped(peer), strict=True)
    )
    size = min(size, delivered)
    return (min(messages, -(-messages * size // delivered)), size) if size else (0, 0)


def largest_pending(peer: Account) -> int:
    """Bytes that some message pending has at least."""
    if peer.outbox is None:
        return 0
    return max(peer.outbox.largest(), peer.outbox.given if peer.link.unsent else 0)


def kept(peer: Account) -> dict[int, int]:
    """Everything in memory that is kept to be given to it: the identity of each thing, and its bytes."""
    kept = {}
    for part in peer.link.held:
        blob = cast(bytes, part.obj) if isinstance(part, memoryview) else part
        kept[id(blob)] = len(blob)
    if peer.outbox is not None:
        for segment in peer.outbox.segments():
            kept[segment.identity] = segment.cost
    return kept
