"""Memory: what is held for all peers, and who is closed when it is too much.

Held are batches that some peer has not taken, each once however many wait for it; what the kernel holds for peers
that are behind; unfinished incoming messages; and messages that wait for handlers. What is held grows by no more than
what is received and flushed, and by what the kernel holds for a peer when it falls behind, so it is added up only when
as much as there was room for has come.
"""

from __future__ import annotations

from collections import Counter
from heapq import heapify, heappop, heappush
from logging import WARNING
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason

if TYPE_CHECKING:
    from fastserver.peer import Peer
    from fastserver.server import Server

SHARE: Final = 64
"""Part of the limit that is kept free, so that adding up comes once in so many bytes at most."""


class Memory:
    """Keeps what one server holds for its peers under its `max_memory`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.limit = server.config.max_memory
        """Bytes, None for no limit."""

    def check(self) -> None:
        """Add up what is held, and close peers until it is little enough."""
        if self.limit is None:
            return
        held = Held(self._server)
        while held.total > self.limit - self.limit // SHARE and (peer := held.next()) is not None:
            self._server.log.line(
                WARNING,
                "%(held)d bytes are held for peers, more than %(limit)d allow: closing peer %(id)d %(address)s",
                held=held.total,
                limit=self.limit,
                id=peer.id,
                address=peer.address,
            )
            held.remove(peer)
            peer.cut_off(CloseReason.MEMORY)
        self._server.flush.room = max(self.limit - held.total, self.limit // SHARE)


class Held:
    """What is held at one moment. `total` is in bytes."""

    def __init__(self, server: Server) -> None:
        self.total = 0
        self._size: dict[int, int] = {}  # of each thing that several peers may wait for
        self._waiting: dict[int, set[Peer]] = {}  # for each of them
        self._things: dict[Peer, list[int]] = {}
        self._alone: Counter[Peer] = Counter()  # bytes that its leaving frees
        self._pending: dict[Peer, int] = {}
        for peer in server.peers:
            incoming = peer.incoming_bytes
            if incoming:
                self._alone[peer] = incoming
                self.total += incoming
        for peer in server.flush.behind:
            self._pending[peer] = peer.pending_bytes
            kernel = peer.kernel_bytes
            self._alone[peer] += kernel
            self.total += kernel
            things = self._things[peer] = []
            for thing, size in peer.kept().items():
                self._size[thing] = size
                self._waiting.setdefault(thing, set()).add(peer)
                things.append(thing)
        self.total += sum(self._size.values())
        for thing, peers in self._waiting.items():
            self._freed(thing, peers)
        self._order = [self._rank(peer) for peer in {**self._pending, **self._alone}]
        heapify(self._order)

    def next(self) -> Peer | None:
        """The peer whose leaving frees most; if none frees anything alone, the one furthest behind."""
        while self._order:
            rank = heappop(self._order)
            peer = rank[-1]
            if peer.reason is None and rank[:-1] == self._rank(peer)[:-1]:
                return peer
        return None

    def remove(self, peer: Peer) -> None:
        """`peer` leaves."""
        self.total -= self._alone.pop(peer, 0)
        for thing in self._things.pop(peer, ()):
            peers = self._waiting[thing]
            peers.discard(peer)
            self._freed(thing, peers)
            for last in peers if len(peers) == 1 else ():
                heappush(self._order, self._rank(last))

    def _freed(self, thing: int, peers: set[Peer]) -> None:
        if len(peers) == 1:
            (last,) = peers
            self._alone[last] += self._size[thing]

    def _rank(self, peer: Peer) -> tuple[int, int, int, Peer]:
        return -self._alone[peer], -self._pending.get(peer, 0), peer.id, peer
