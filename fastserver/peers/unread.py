"""Unread peers: peers that ended their stream, and peers whose reading is paused. The loop does not tell when their
connections break, so the system is asked once a second, about many with one call. Peers that are read cost nothing.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from itertools import islice
from typing import Final, Protocol

from fastserver.clock import Clock
from fastserver.errors import CloseReason
from fastserver.fanout.pause import Pause
from fastserver.peers.link import Link

AT_ONCE: Final = 250
"""Peers asked about in one turn of the loop: 0.2 ms."""

INTERVAL: Final = 1.0
"""Seconds after which they are asked about again."""


class Peer(Protocol):
    """A peer, as far as its watch depends on it."""

    @property
    def address(self) -> str: ...

    @property
    def reason(self) -> CloseReason | None: ...

    @property
    def ended(self) -> bool: ...

    @property
    def owes(self) -> bool: ...

    @property
    def link(self) -> Link: ...

    def resume_reading(self, cause: int) -> None: ...

    def abort(self, reason: CloseReason) -> None: ...


class Unread:
    """Watches the unread peers of one server that have a descriptor. A peer whose connection is gone is read to its
    end; if its origin is over its rate, it waits for that first.
    """

    def __init__(self, clock: Clock) -> None:
        self.over: set[Peer] = set()
        """Peers whose connection is gone, but for what they had sent before."""
        self._clock = clock
        self._peers: dict[int, Peer] = {}
        self._looking = False

    def add(self, peer: Peer) -> None:
        """`peer` is read no further."""
        if peer.link.descriptor < 0 or not hasattr(select, "poll"):  # Windows has none
            return
        self._peers[peer.link.descriptor] = peer
        if not self._looking:
            self._clock.call_later(INTERVAL, self._look)
            self._looking = True

    def remove(self, peer: Peer) -> None:
        """`peer` is read again."""
        if self._peers.get(peer.link.descriptor) is peer:  # not another that has got its number
            del self._peers[peer.link.descriptor]

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self.remove(peer)
        self.over.discard(peer)

    def _look(self) -> None:
        self._looking = False
        if self._peers:
            self._look_at(iter(list(self._peers.items())))

    def _look_at(self, left: Iterator[tuple[int, Peer]]) -> None:
        some = dict(islice(left, AT_ONCE))
        if len(some) == AT_ONCE:
            self._clock.call_later(0, self._look_at, left)
        else:
            self._clock.call_later(INTERVAL, self._look)
        self._looking = True
        poll = select.poll()
        for descriptor, peer in some.items():
            if self._peers.get(descriptor) is peer:
                poll.register(descriptor, 0)  # for errors alone, which are always told
        for descriptor, events in poll.poll(0):
            peer = some[descriptor]
            self.remove(peer)
            if events & (select.POLLERR | select.POLLHUP) and not peer.link.closing:
                self._find_over(peer)

    def _find_over(self, peer: Peer) -> None:
        if not peer.ended:
            self.over.add(peer)
            peer.resume_reading(Pause.ALL & ~Pause.PACE & ~(Pause.RATE if peer.owes else Pause.NONE))
        elif peer.reason is None:  # all it sent has been read
            peer.abort(CloseReason.EOF if peer.address.startswith("unix:") else CloseReason.RESET)
