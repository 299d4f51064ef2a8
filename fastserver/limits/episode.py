"""Episodes: times during which a peer is a slow consumer, and what a policy does with its outbox then.

An episode begins when the peer is over its limit, and ends when it has caught up or is gone. Policies act on whole
messages that the link was not given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from fastserver.peers import notice
from fastserver.peers.membership import hear_again, miss, missing, tell_now

if TYPE_CHECKING:
    from fastserver.fanout.limit import Limit
    from fastserver.limits.block import Block
    from fastserver.peers.peer import Peer

FREED: Final = 16
"""`drop-oldest` frees the limit divided by this at a time: one check of all who are behind for so many bytes."""

FAR_BEHIND: Final = 4
"""A peer is far behind over the limit divided by this; `drop-newest` waits until as much is free."""


class Terms(NamedTuple):
    """Terms of all episodes of one server. With `notify`, peers are told how many messages they missed."""

    limit: Limit
    block: Block
    notify: bool


class Episode:
    """A time during which `peer` is a slow consumer, which began at `since` (loop time, seconds)."""

    __slots__ = ("_terms", "_told", "before", "peer", "since")

    def __init__(self, peer: Peer, terms: Terms, since: float) -> None:
        self.peer = peer
        self.since = since
        self.before = peer.dropped[0]
        """Messages dropped before it."""
        self._terms = terms
        self._told = self.before  # messages dropped, as far as the peer was told

    def act(self) -> None:
        """The peer is over its limit."""
        raise NotImplementedError

    def before_take(self) -> bytes | None:
        """The peer is about to take more from its outbox. Gives a frame that it is to receive first, or None."""
        missed = self._missed()
        if not missed:
            return None
        word = notice.missed(self.peer.framing, missed)
        self.peer.offer(1, len(word))
        return word

    def _missed(self) -> int:
        """How many more messages it missed, of which the peer is told now; 0 if it is to be told of none."""
        missed = self.peer.dropped[0] - self._told
        if not self._terms.notify:
            return 0
        self._told += missed
        return missed


class DropOldest(Episode):
    """The peer misses the messages that wait longest, until a sixteenth of its limit is free."""

    __slots__ = ()

    def act(self) -> None:
        peer, limit = self.peer, self._terms.limit
        most = limit.bytes - limit.bytes // FREED
        # Or no more is pending than a single message may have.
        while peer.outbox is not None and (excess := peer.pending_bytes - most - limit.allowance(peer)) > 0:
            messages, size = peer.outbox.drop_oldest(excess)
            peer.skip(messages, size)
            if not size or not limit.allowance(peer):
                break


class DropNewest(Episode):
    """The peer misses all that is flushed from now on, until a quarter of its limit is free."""

    __slots__ = ()

    def act(self) -> None:
        miss(self.peer)

    def before_take(self) -> bytes | None:
        peer, limit = self.peer, self._terms.limit
        if missing(peer) and peer.pending_bytes <= limit.bytes - limit.bytes // FAR_BEHIND:
            hear_again(peer)
            if missed := self._missed():  # told where in the order they are missing
                tell_now(peer, notice.missed(peer.framing, missed))
        return None


class Latest(Episode):
    """Of the messages that wait the peer gets the newest of each channel alone, until it has caught up."""

    __slots__ = ()

    def act(self) -> None:
        if self.peer.outbox is not None:
            self.peer.skip(*self.peer.outbox.keep_newest())

    def before_take(self) -> bytes | None:
        self.act()
        return super().before_take()


class Blocking(Episode):
    """Senders wait for the peer (see block.py)."""

    __slots__ = ()

    def act(self) -> None:
        self._terms.block.wait_for(self.peer)

    def before_take(self) -> bytes | None:
        self._terms.block.moved(self.peer)
        return super().before_take()


EPISODES: Final[dict[str, type[Episode]]] = {
    "drop-oldest": DropOldest,
    "drop-newest": DropNewest,
    "latest": Latest,
    "block": Blocking,
}
"""The kind of episode of each policy; `disconnect` has none: the peer is closed."""
