"""Memory: the bytes that are held for all peers, and the peers that are closed when these are too many.

Held are: batches that some peer has not taken, each once however many wait for it; what the kernel holds for peers
that are behind and take nothing; unfinished incoming messages; messages that wait for handlers; and messages that wait
for the sequencer, which nobody's leaving frees. Usage grows by no more than is received and flushed, and by what the
kernel holds for a peer that is found to take nothing; so it is added up again only when half as many bytes have come as
there was room for.

Rule: a peer weighs the bytes that its leaving frees, times the seconds since it made progress with them (and a tenth),
times the bytes that the leaving of all peers of its origin frees. The heaviest is closed, and so on until usage is low
enough. So many connections of one address that hold a little each go before one that holds more, and those that stand
still before those that move. Where the origin is not known (loopback, unless `limit_loopback`), a connection is an
origin of its own. If nobody's leaving frees anything, since all that is held waits for several, the peer furthest
behind is closed.

Progress with an incoming message means that more of it came while the peer was read; progress with what waits for a
peer, that its system acknowledged more. The kernel tells since when nothing came; the rest is remembered from one
adding up to the next, from half the limit on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from heapq import heapify, heappop, heappush
from logging import WARNING
from typing import TYPE_CHECKING, Final, NamedTuple

from fastserver.config.headroom import headroom
from fastserver.errors import CloseReason
from fastserver.kernel import silence

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.fanout.behind import Behind
    from fastserver.fanout.tick import Tick
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer
    from fastserver.peers.peermap import PeerMap

MIN_IDLE: Final = 0.1
"""Seconds without progress that all peers are taken to have had besides: among those that moved just now, size decides.
"""

Weight = tuple[float, float, int, int]
"""The weight of a peer or an origin, to compare by: the heaviest is the least."""


class Progress(NamedTuple):
    """Bytes that a peer had sent and taken, and since when there were no more (seconds)."""

    received: int
    received_since: float  # of the peer's own clock, which stands still while it is not read
    taken: int
    taken_since: float


class Memory:
    """Keeps the bytes held for `peers` under `limit` (`max_memory`; None: no limit).

    `moves` tells of a peer that is behind whether it has just taken something: then its share of the kernel does not
    count.
    """

    def __init__(
        self,
        limit: int | None,
        *,
        clock: Clock,
        log: Log,
        peers: PeerMap,
        tick: Tick,
        behind: Behind[Peer],
        moves: Callable[[Peer], bool],
    ) -> None:
        self.limit = limit
        """Bytes, None for no limit."""
        self._clock = clock
        self._log = log
        self._peers = peers
        self._tick = tick
        self._behind = behind
        self._moves = moves
        if limit is not None:
            tick.room = limit
        self._progress: dict[Peer, Progress] = {}  # of peers for which something was held when it was last added up

    def usage(self) -> Usage:
        """The bytes that are held now."""
        usage = Usage(self._peers, self._behind.peers, self._moves)
        usage.total += self._tick.unsequenced
        return usage

    def check(self) -> None:
        """Add up what is held, and close peers until it is little enough."""
        if self.limit is None:
            return
        usage = self.usage()
        self._note_progress(usage.peers if usage.total > self.limit // 2 else ())
        most = self.limit - headroom(self.limit)
        if usage.total > most:
            usage.weigh(self._idle)
            while usage.total > most and (peer := usage.next()) is not None:
                self._log.line(
                    WARNING,
                    "%(held)d bytes are held for peers, more than %(limit)d allow: closing peer %(id)d %(address)s",
                    held=usage.total,
                    limit=self.limit,
                    id=peer.id,
                    address=peer.address,
                )
                usage.remove(peer)
                self._progress.pop(peer, None)
                peer.cut_off(CloseReason.MEMORY)
        self._tick.room = max((self.limit - usage.total) // 2, headroom(self.limit))

    def forget(self, peer: Peer) -> None:
        """Know nothing more of `peer`, which is gone."""
        self._progress.pop(peer, None)

    def _note_progress(self, peers: Iterable[Peer]) -> None:
        before, self._progress = self._progress, {}
        now = self._clock.time()
        for peer in peers:
            taken = peer.acknowledged_bytes if peer in self._behind.peers else 0
            progress = Progress(peer.bytes_in, peer.read_time, taken, now)
            old = before.get(peer)
            if old is not None:
                if old.received == progress.received:
                    progress = progress._replace(received_since=old.received_since)
                if old.taken == progress.taken:
                    progress = progress._replace(taken_since=old.taken_since)
            self._progress[peer] = progress

    def _idle(self, peer: Peer) -> tuple[float, float]:
        """Seconds for which `peer` has sent nothing, though it was read, and taken nothing, as far as is known."""
        progress = self._progress[peer]
        silent = peer.read_time - progress.received_since
        if not peer.paused:
            silent = max(silent, silence(peer.link.descriptor))
        return silent, self._clock.time() - progress.taken_since


class Usage:
    """The bytes held at one moment for `peers`, of which those in `behind` have not taken all; `moves` is Memory's."""

    def __init__(self, peers: Iterable[Peer], behind: Collection[Peer], moves: Callable[[Peer], bool]) -> None:
        self.total = 0
        """Bytes."""
        self._size: dict[int, int] = {}  # of each thing that several peers may wait for, bytes
        self._waiting: dict[int, set[Peer]] = {}  # for each thing
        self._things: dict[Peer, list[int]] = {}
        self._incoming: Counter[Peer] = Counter()  # bytes that the peer's leaving frees of what it sent
        self._alone: Counter[Peer] = Counter()  # and of what waits for it
        self._pending: dict[Peer, int] = {}
        for peer in peers:
            incoming = peer.incoming_bytes
            if incoming:
                self._incoming[peer] = incoming
                self.total += incoming
        for peer in behind:
            self._pending[peer] = peer.pending_bytes
            kernel = 0 if moves(peer) else peer.link.kernel_memory
            self._alone[peer] += kernel
            self.total += kernel
            things = self._things[peer] = []
            for thing, size in peer.kept().items():
                self._size[thing] = size
                self._waiting.setdefault(thing, set()).add(peer)
                things.append(thing)
        self.total += sum(self._size.values())
        for thing, waiting in self._waiting.items():
            if len(waiting) == 1:
                self._alone[next(iter(waiting))] += self._size[thing]
        self._idle: dict[Peer, tuple[float, float]] = {}
        # By origin: bytes that the leaving of all its peers frees at least; its peers, the heaviest first; all origins.
        self._freed: Counter[str | Peer] = Counter()
        self._heaps: dict[str | Peer, list[tuple[Weight, Peer]]] = {}
        self._order: list[tuple[Weight, int, str | Peer]] = []

    @property
    def peers(self) -> list[Peer]:
        """The peers for which something is held."""
        return list({**self._pending, **self._incoming})

    def weigh(self, idle: Callable[[Peer], tuple[float, float]]) -> None:
        """Put peers in the order in which they are to leave. `idle` gives the seconds for which one sent nothing, and
        for which it took nothing.
        """
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
        """Take `peer`, which leaves, out of it."""
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
            -(incoming * (silent + MIN_IDLE) + alone * (stuck + MIN_IDLE)),
            -(incoming + alone),
            -self._pending.get(peer, 0),
            peer.id,
        )

    def _of_origin(self, origin: str | Peer, weight: Weight) -> Weight:
        freed = self._freed[origin]
        return weight[0] * freed, weight[1] * freed, *weight[2:]
