"""The peers that are behind: each has not taken all that it was offered.

Rules:
- A peer that is behind gets nothing by a flush. When its link has run empty it is refilled from its outbox, one stretch
  of the backlog at a time.
- A peer is looked at again before it can be over its limit: what is pending for it grows by no more than what is
  flushed. Peers that keep up are never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from fastserver.errors import CloseReason
from fastserver.fanout.limit import Limit
from fastserver.fanout.member import Receiver
from fastserver.fanout.outbox import Outbox
from fastserver.fanout.way import condemn

if TYPE_CHECKING:
    from fastserver.fanout.governors import Memory, Pacing, Policy
    from fastserver.fanout.parts import Part
    from fastserver.fanout.unraised import Unraised

P = TypeVar("P", bound=Receiver)


class Behind(Generic[P]):
    """The peers of one server that are behind, each allowed to be so by `max_pending` bytes; `P` is their class."""

    _policy: Policy[P]
    _memory: Memory
    _pacing: Pacing[P]

    def __init__(self, max_pending: int, unraised: Unraised) -> None:
        self.limit = Limit(max_pending)
        self.peers: set[P] = set()
        """The peers; the same set always."""
        self._unraised = unraised

    def govern(self, *, policy: Policy[P], memory: Memory, pacing: Pacing[P]) -> None:
        """Have `policy` deal with peers that are over their limit, `memory` limit what is held for all, and `pacing`
        slow senders. To be called before anything is published.
        """
        self._policy = policy
        self._memory = memory
        self._pacing = pacing

    def __contains__(self, peer: object) -> bool:
        return peer in self.peers

    def __iter__(self) -> Iterator[P]:
        return iter(self.peers)

    def __len__(self) -> int:
        return len(self.peers)

    def add(self, receiver: Receiver, parts: Sequence[Part], messages: int, largest: int) -> None:
        """The link of `receiver` has not passed on all of the last that was written, which was `parts`, with so many
        messages, of which some has at least `largest` bytes.
        """
        peer = cast(P, receiver)  # all peers of one server are of one class
        self.peers.add(peer)
        peer.link.hold(parts, messages)
        peer.outbox = Outbox(peer.framing.resplitter)
        peer.outbox.given = largest
        for member in peer.members:
            if member in member.view.ready:
                member.view.fall_behind(member)
        self._pacing.watch(peer)
        if len(self.peers) == 1:
            self.limit.begin()
        self.limit.look_at(peer)

    def refill(self, peer: P) -> None:
        """`peer`'s link is empty again: give it what it has not had, until it stalls or has caught up."""
        if peer not in self.peers:
            return
        try:
            self._refill(peer)
        except BaseException:
            condemn(peer.link)
            peer.write_failed()
            raise

    def forget(self, peer: P) -> None:
        """`peer` is behind no more, or is offered nothing more."""
        self.peers.discard(peer)
        self._pacing.forget(peer)

    def check(self) -> None:
        """Look at all, of which some may be over the limit by now."""
        self.limit.begin_check()
        for peer in list(self.peers):
            try:
                self._check_peer(peer)
            except BaseException as error:
                self._unraised.note(error)
                peer.abort(CloseReason.INTERNAL_ERROR)

    def check_memory(self) -> None:
        """Look at what is held for all, which may be too much by now."""
        self._memory.check()

    def _refill(self, peer: P) -> None:
        while peer.outbox is not None and (taken := peer.outbox.take()) is not None:
            peer.link.write(*taken)
            if peer.link.error:
                peer.write_failed()
                return
            if peer.link.stuck:
                self._pacing.watch(peer)
                if peer.outbox is not None and peer.outbox.episode is not None:  # it may be offered more than before
                    self.limit.look_at(peer)
                return
        peer.link.drop()
        self.forget(peer)
        peer.outbox = None
        for member in peer.members:
            member.view.catch_up(member, peer.link.transport)
        self._policy.caught_up(peer)

    def _check_peer(self, peer: P) -> None:
        if self.limit.beyond(peer) > 0:
            self._policy.meet(peer)
        if peer.outbox is not None:
            peer.outbox.shed(self.limit.bytes)
        if peer in self.peers and self.limit.beyond(peer) <= 0:
            self.limit.look_at(peer)
