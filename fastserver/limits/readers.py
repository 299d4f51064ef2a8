"""The readers that senders are slowed for: peers that are behind, but go on taking.

Rule: a peer that is behind is waited for if its system acknowledged something within the last half second and it has
some of its budget left. A peer that took nothing for so long is stuck, and its limit will deal with it.

Strategy: a peer's due is the total of published bytes at which it can reach its target: as much is pending for it as
was published since it took all, at most. A due only ever grows, so the least of a heap of old dues is computed anew
until the least is new.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush, heapreplace
from logging import WARNING
from typing import TYPE_CHECKING, Final

from fastserver.fanout.reads import READ_SIZE
from fastserver.limits.budget import Budget, payer

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.fanout.tick import Tick
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer

STUCK: Final = 0.5
"""Seconds without taking anything after which a peer paces nobody. Until then a feed is slowed for one that may be
stuck for good; but a reader may be kept from its processor, or collect garbage, for some tenths of a second."""

CHECK_INTERVAL: Final = STUCK / 4
"""Seconds after which a peer that is waited for is checked again."""

CHECKED_AT_ONCE: Final = 500
"""Peers checked in one turn of the loop."""

RESERVE: Final = 8
"""A peer that seems to be stuck keeps its limit divided by this free, in case that it is not."""


class Reader:
    """A peer that is waited for, and its progress. Times are loop time, seconds."""

    __slots__ = ("checked", "gone", "held_seconds", "moved", "peer", "taken")

    def __init__(self, peer: Peer, now: float, held_seconds: float) -> None:
        self.peer = peer
        self.taken = peer.acknowledged_bytes  # at the last check
        self.moved = self.checked = now
        self.held_seconds = held_seconds  # at the last check
        self.gone = False


class Readers:
    """The peers that are waited for.

    `target` is how many bytes may be pending for one; senders are slowed for one no longer than its budget, which is
    `pace_timeout` of `config` in any minute.
    """

    def __init__(self, config: Config, target: int, *, clock: Clock, log: Log, tick: Tick) -> None:
        self.held_seconds = 0.0
        """For how long messages were held back, in all."""
        self._clock = clock
        self._log = log
        self._tick = tick
        self._limit = config.max_pending
        self._target = target
        self._budget = Budget(config.pace_timeout)
        self._readers: OrderedDict[Peer, Reader] = OrderedDict()  # in the order of their last check
        self._dues: list[tuple[int, int, Reader]] = []  # a heap: due, the peer's number, the reader

    def __bool__(self) -> bool:
        return bool(self._readers)

    def moved(self, peer: Peer) -> bool:
        """Note that `peer` has just taken something; false if it is not waited for."""
        reader = self._readers.get(peer)
        if reader is None:
            return False
        reader.moved = self._clock.time()
        return True

    def add(self, peer: Peer) -> bool:
        """Wait for `peer`, which is behind and has just taken something; false if its budget is spent."""
        now = self._clock.time()
        if self._budget.left(payer(peer), now) <= 0:
            return False
        reader = self._readers[peer] = Reader(peer, now, self.held_seconds)
        heappush(self._dues, (self.due(peer), peer.id, reader))
        return True

    def remove(self, peer: Peer) -> bool:
        """Wait for `peer` no longer; false if that is so already."""
        reader = self._readers.pop(peer, None)
        if reader is None:
            return False
        reader.gone = True
        if not self._readers:
            self._dues.clear()
        elif len(self._dues) > 2 * len(self._readers) + 64:
            self._dues = [entry for entry in self._dues if not entry[2].gone]
            heapify(self._dues)
        return True

    def is_moving(self, peer: Peer) -> bool:
        """True if `peer` is waited for and has just taken something."""
        reader = self._readers.get(peer)
        return reader is not None and self._clock.time() - reader.moved < STUCK

    def due(self, peer: Peer) -> int:
        """The total of published bytes up to which `peer` cannot be over its target."""
        tick = self._tick
        return tick.published - tick.collected + self._target - peer.pending_bytes

    def least_due(self) -> int | None:
        """The least due of all; None if nobody is waited for."""
        dues = self._dues
        while dues:
            due, number, reader = dues[0]
            if reader.gone:
                heappop(dues)
                continue
            exact = self.due(reader.peer)
            if exact != due:
                heapreplace(dues, (exact, number, reader))
            if exact <= due:
                break
        return dues[0][0] if dues else None

    def trickle(self, began: float, interval: float) -> int:
        """Bytes that may pass in the interval that `began` (loop time) though someone is over its target.

        A peer that takes little is waited for until its budget is spent: at four times that speed, it is not at its
        limit by then, and what passes in the end is not nothing. A peer that seems to be stuck may be brought near its
        limit until that is known, so that the others are not kept back for it.
        """
        if not self._dues:
            return 0
        reader = self._dues[0][2]
        room = max(0, self._limit - reader.peer.pending_bytes)
        speed = room / max(interval, self._budget.seconds / 4)
        left = reader.moved + STUCK - began
        if left <= STUCK - CHECK_INTERVAL:
            speed = max(speed, (room - self._limit // RESERVE) / max(interval, left))
        return min(room, int(speed * interval))

    def check(self, now: float) -> list[Peer]:
        """Check the peers whose turn it is; those to wait for no longer: they are stuck or have spent their budget."""
        done = []
        for _ in range(min(CHECKED_AT_ONCE, len(self._readers))):
            peer = next(iter(self._readers))  # not `items()`: CPython 3.11 crashes where its iterator finds no memory
            reader = self._readers[peer]
            elapsed = now - reader.checked
            if elapsed < CHECK_INTERVAL:
                break
            self._readers.move_to_end(peer)
            taken = peer.acknowledged_bytes
            took, held = taken - reader.taken, self.held_seconds - reader.held_seconds
            reader.taken, reader.held_seconds, reader.checked = taken, self.held_seconds, now
            if took > 0:
                reader.moved = now
            elif now - reader.moved >= STUCK:
                self._tick.room -= peer.link.kernel_memory  # counts from now on (see memory.py)
                done.append(peer)
                continue
            burdens = held > 0 and took < self._limit * elapsed and self._is_cause(peer)
            if burdens and not self._budget.spend(payer(peer), now - held, now):
                self._log_spent(peer)
                done.append(peer)
        return done

    def _is_cause(self, peer: Peer) -> bool:
        """True if messages may be held back because of `peer`: another read would bring it over its target."""
        return self.due(peer) <= self._tick.published + min(READ_SIZE, self._target // 4)

    def _log_spent(self, peer: Peer) -> None:
        self._log.line(
            WARNING,
            "peer %(id)d %(address)s is %(pending)d bytes behind and has slowed the others for %(seconds)g s in a "
            "minute: senders are no longer slowed for it",
            id=peer.id,
            address=peer.address,
            pending=peer.pending_bytes,
            seconds=self._budget.seconds,
        )
