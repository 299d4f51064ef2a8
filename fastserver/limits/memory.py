"""Memory: what is held for all peers, and who is closed when it is too much.

Held are batches that some peer has not taken, each once however many wait for it; what the kernel holds for peers
that are behind and take nothing; unfinished incoming messages; and messages that wait for handlers. What is held grows
by no more than what is received and flushed, and by what the kernel holds for a peer that is found to take nothing, so
it is added up only when as much as half of what there was room for has come.

Rule: each peer weighs what its leaving frees, times for how long it made no progress with that (and a tenth of a
second), times what the leaving of all peers of its origin frees. The heaviest is closed, and so on until it is little
enough. So many connections of one address that each hold a little go before one that holds more, and those that stand
still before those that move. Where the origin is not known (loopback, unless `limit_loopback`), a connection is an
origin of its own. If nobody's leaving frees anything, since all that is held waits for several, the peer furthest
behind is closed.

Progress with an incoming message is that more of it came, while it was read; with what waits for a peer, that its
system acknowledged more. The kernel says since when nothing came; the rest is remembered from one adding up to the
next, from half the limit on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from logging import WARNING
from typing import TYPE_CHECKING, Final, NamedTuple

from fastserver.config.headroom import headroom
from fastserver.errors import CloseReason
from fastserver.kernel import silence

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer
    from fastserver.server import Server

AT_LEAST: Final = 0.1
"""Seconds without progress that all are taken to have had besides: among those that moved just now, size decides."""

Weight = tuple[float, float, int, int]
"""To compare peers, or origins, by: the heaviest is the least."""


class Seen(NamedTuple):
    """How far a peer had come when it was first seen there, and since when (seconds)."""

    received: int
    received_since: float  # of its own clock, which stands still while it is not read
    taken: int
    taken_since: float


class Memory:
    """Keeps what one server holds for its peers under its `max_memory`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.limit = server.config.max_memory
        """Bytes, None for no limit."""
        self._seen: dict[Peer, Seen] = {}  # those for which something was held at the last adding up

    def check(self) -> None:
        """Add up what is held, and close peers until it is little enough."""
        if self.limit is None:
            return
        held = Held(self._server)
        self._see(held if held.total > self.limit // 2 else None)
        most = self.limit - headroom(self.limit)
        if held.total > most:
            held.weigh(self._idle)
            while held.total > most and (peer := held.next()) is not None:
                self._server.log.line(
                    WARNING,
                    "%(held)d bytes are held for peers, more than %(limit)d allow: closing peer %(id)d %(address)s",
                    held=held.total,
                    limit=self.limit,
                    id=peer.id,
                    address=peer.address,
                )
                held.remove(peer)
                self._seen.pop(peer, None)
                peer.cut_off(CloseReason.MEMORY)
        self._server.flush.room = max((self.limit - held.total) // 2, headroom(self.limit))

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self._seen.pop(peer, None)

    def _see(self, held: Held | None) -> None:
        before, self._seen = self._seen, {}
        now = self._server.clock.time()
        for peer in () if held is None else held.peers:
            taken = peer.acknowledged_bytes if peer in self._server.flush.behind else 0
            seen = Seen(peer.bytes_in, peer.read_time, taken, now)
            old = before.get(peer)
            if old is not None:
                if old.received == seen.received:
                    seen = seen._replace(received_since=old.received_since)
                if old.taken == seen.taken:
                    seen = seen._replace(taken_since=old.taken_since)
            self._seen[peer] = seen

    def _idle(self, peer: Peer) -> tuple[float, float]:
        """For how long `peer` has sent nothing, though it was read, and taken nothing, as far as is known; seconds."""
        seen = self._seen[peer]
        silent = peer.read_time - seen.received_since
        if not peer.paused:
            silent = max(silent, silence(peer.descriptor))
        return silent, self._server.clock.time() - seen.taken_since


class Held:
    """What is held at one moment. `total` is in bytes."""

    def __init__(self, server: Server) -> None:
        self.total = 0
        self._size: dict[int, int] = {}  # of each thing that several peers may wait for
        self._waiting: dict[int, set[Peer]] = {}  # for each of them
        self._things: dict[Peer, list[int]] = {}
        self._incoming: Counter[Peer] = Counter()  # bytes that its leaving frees, of what it sent
        self._alone: Counter[Peer] = Counter()  # and of what waits for it
        self._pending: dict[Peer, int] = {}
        for peer in server.peers:
            incoming = peer.incoming_bytes
            if incoming:
                self._incoming[peer] = incoming
                self.total += incoming
        for peer in server.flush.behind:
            self._pending[peer] = peer.pending_bytes
            kernel = 0 if server.pacing.waits_for(peer) else peer.kernel_bytes
            self._alone[peer] += kernel
            self.total += kernel
            things = self._things[peer] = []
            for thing, size in peer.kept().items():
                self._size[thing] = size
                self._waiting.setdefault(thing, set()).add(peer)
                things.append(thing)
        self.total += sum(self._size.values())
        for thing, peers in self._waiting.items():
            if len(peers) == 1:
                self._alone[next(iter(peers))] += self._size[thing]
        self._idle: dict[Peer, tuple[float, float]] = {}
        # By origin: what the leaving of all its peers frees at least, its peers, the heaviest first, and all origins.
        self._freed: Counter[str | Peer] = Counter()
        self._heaps: dict[str | Peer, list[tuple[Weight, Peer]]] = {}
        self._order: list[tuple[Weight, int, str | Peer]] = []

    @property
    def peers(self) -> list[Peer]:
        """For whom something is held."""
        return list({**self._pending, **self._incoming})

    def weigh(self, idle: Callable[[Peer], tuple[float, float]]) -> None:
        """Put peers in the order in which they are to leave; `idle` says for how long one sent and took nothing."""
        for peer in self.peers:
            self._idle[peer] = idle(peer)
            origin = peer.origin or peer
            self._freed[origin] += self._incoming[peer] + self._alone[peer]
            self._heaps.setdefault(origin, []).append((self._weight(peer), peer))
        for origin, heap in self._heaps.items():
            heapify(heap)
            self._push(origin)

    def next(self) -> Peer | None:
        """The heaviest peer that is left."""
        while self._order:
            weight, _, origin = heappop(self._order)
            top = self._top(origin)
            if top is not None and weight == self._of_origin(origin, top[0]):
                return top[1]
        return None

    def remove(self, peer: Peer) -> None:
        """`peer` leaves."""
        origin = peer.origin or peer
        self._freed[origin] -= self._incoming[peer] + self._alone[peer]
        self.total -= self._incoming.pop(peer, 0) + self._alone.pop(peer, 0)
        self._pending.pop(peer, None)
        for thing in self._things.pop(peer, ()):
            peers = self._waiting[thing]
            peers.discard(peer)
            if len(peers) == 1:
                (last,) = peers
                self._alone[last] += self._size[thing]
                self._freed[last.origin or last] += self._size[thing]
                heappush(self._heaps[last.origin or last], (self._weight(last), last))
                self._push(last.origin or last)
        self._push(origin)

    def _push(self, origin: str | Peer) -> None:
        top = self._top(origin)
        if top is not None:
            heappush(self._order, (self._of_origin(origin, top[0]), top[1].id, origin))

    def _top(self, origin: str | Peer) -> tuple[Weight, Peer] | None:
        """The heaviest of `origin` that is left, and its weight."""
        heap = self._heaps[origin]
        while heap:
            weight, peer = heap[0]
            left = peer in self._incoming or peer in self._pending
            if left and peer.reason is None and weight == self._weight(peer):
                return heap[0]
            heappop(heap)
        return None

    def _weight(self, peer: Peer) -> Weight:
        silent, stuck = self._idle[peer]
        incoming, alone = self._incoming[peer], self._alone[peer]
        return (
            -(incoming * (silent + AT_LEAST) + alone * (stuck + AT_LEAST)),
            -(incoming + alone),
            -self._pending.get(peer, 0),
            peer.id,
        )

    def _of_origin(self, origin: str | Peer, weight: Weight) -> Weight:
        freed = self._freed[origin]
        return weight[0] * freed, weight[1] * freed, *weight[2:]
