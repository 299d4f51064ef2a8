"""Block: senders wait for slow consumers, so that nothing is dropped and nobody is closed at once.

Rule: while some peer is over its limit, senders are read once more and then paused, until it is under half its limit.
A peer that is itself over the limit is read on: it may take its messages only after it has sent all it has, and two of
that kind would wait for each other for ever. Their messages are bounded by `max_memory` meanwhile.

Senders wait no longer than `timeout` in any minute for one peer (or origin, where limits per address hold) that takes
nothing. Then it is closed. Of several that take nothing each has a time of its own, which runs from the start, also
for peers that are behind but not over their limit yet. A peer that goes on taking is waited for as long as it takes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.fanout.pause import Pause
from fastserver.limits.budget import Budget, payer

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.fanout.behind import Behind
    from fastserver.fanout.tick import Tick
    from fastserver.peers.peer import Peer

SCAN_INTERVAL: Final = 0.01
"""Seconds between two scans of the peers that are waited for; a scan checks those whose turn it is."""

CHECKS: Final = 50
"""A peer is checked so often within its time, unless that is more often than there are scans."""

MAX_CHECK_INTERVAL: Final = 0.1
"""Seconds after which each peer is checked again at the latest, unless there are too many."""

CHECKED_AT_ONCE: Final = 500
"""Peers checked in one turn of the loop."""

PATIENCE: Final = 1.0
"""Seconds without progress that do not count yet: some systems acknowledge in lumps."""


class Wait:
    """The progress of a peer that is waited for. Times are loop time, seconds."""

    __slots__ = ("checked", "still_since", "taken")

    def __init__(self, taken: int, now: float) -> None:
        self.taken = taken  # bytes, at the last check
        self.still_since = self.checked = now


class Block:
    """The peers that are waited for, and the senders that wait: a brake while there are any of the former.

    `timeout` is in seconds.
    """

    def __init__(self, timeout: float, *, clock: Clock, tick: Tick, behind: Behind[Peer]) -> None:
        self._clock = clock
        self._tick = tick
        self._behind = behind
        self._enough = behind.limit.bytes // 2
        self._budget = Budget(timeout)
        self._patience = min(PATIENCE, timeout / 2)
        self._check_interval = max(SCAN_INTERVAL, min(MAX_CHECK_INTERVAL, timeout / CHECKS))
        self._slow: OrderedDict[Peer, Wait] = OrderedDict()  # in the order of their last check
        self._paused: dict[Peer, None] = {}  # senders
        self._scanning = False
        # Seconds for which senders have waited in all, up to `_since` (loop time), when they last began to.
        self._waited = self._since = 0.0
        # Of the peers behind at the last such time: bytes taken, and seconds for which senders had waited by then.
        self._noted: dict[Peer, tuple[int, float]] = {}

    def wait_for(self, peer: Peer) -> None:
        """Have senders wait for `peer`, which is over its limit."""
        if peer not in self._slow:
            now = self._clock.time()
            if not self._slow:
                self._since = now
                self._note_behind()
                self._tick.brakes.append(self)
            self._slow[peer] = self._new_wait(peer, now)
            self._paused.pop(peer, None)
            peer.resume_reading(Pause.BLOCK)
            if not self._scanning:
                self._scanning = True
                self._clock.call_later(SCAN_INTERVAL, self._scan)

    def moved(self, peer: Peer) -> None:
        """Wait no more for `peer`, which has taken something, if that was enough."""
        if peer in self._slow and peer.pending_bytes < self._enough:
            self.release(peer)

    def release(self, peer: Peer) -> None:
        """Wait no more for `peer`. If it was the last, senders go on."""
        if self._slow.pop(peer, None) is not None and not self._slow:
            self._tick.brakes.remove(self)
            self._waited += self._clock.time() - self._since
            paused, self._paused = self._paused, {}
            for sender in paused:
                sender.resume_reading(Pause.BLOCK)

    def forget(self, peer: Peer) -> None:
        """Know nothing more of `peer`, which is gone."""
        self.release(peer)
        self._paused.pop(peer, None)
        self._noted.pop(peer, None)

    def after_read(self, sender: Peer, size: int, messages: int) -> None:
        """Pause the reading of `sender`, unless it is waited for itself."""
        if self._slow and sender not in self._slow and sender.reason is None:
            self._paused[sender] = None
            sender.pause_reading(Pause.BLOCK)

    def _note_behind(self) -> None:
        """Senders begin to wait: note the progress of each peer that is behind, if it made any since the last time."""
        for peer in self._behind:
            taken = peer.acknowledged_bytes
            if self._noted.get(peer, (-1, 0.0))[0] != taken:
                self._noted[peer] = taken, self._waited

    def _new_wait(self, peer: Peer, now: float) -> Wait:
        """The wait for `peer`, which counts the time in which senders waited while it was behind and took nothing."""
        taken = peer.acknowledged_bytes
        wait = Wait(taken, now)
        noted, waited = self._noted.get(peer, (-1, 0.0))
        if noted == taken:
            wait.still_since -= self._waited - waited + (now - self._since if self._slow else 0.0)
        return wait

    def _scan(self) -> None:
        now = self._clock.time()
        for _ in range(min(CHECKED_AT_ONCE, len(self._slow))):
            if not self._slow:
                break
            peer, wait = next(iter(self._slow.items()))
            if now - wait.checked < self._check_interval:
                break
            self._slow.move_to_end(peer)
            wait.checked = now
            if peer.pending_bytes < self._enough:
                self.release(peer)
            elif self._has_expired(peer, wait, now):
                self.release(peer)
                peer.cut_off(CloseReason.SLOW_CONSUMER)
        self._scanning = bool(self._slow)
        if self._scanning:
            self._clock.call_later(SCAN_INTERVAL, self._scan)

    def _has_expired(self, peer: Peer, wait: Wait, now: float) -> bool:
        """True if `peer` has taken nothing for all the time it is given."""
        taken, wait.taken = wait.taken, peer.acknowledged_bytes
        if wait.taken > taken:
            wait.still_since = now
            return False
        key = payer(peer)
        if now - wait.still_since < self._patience and self._budget.left(key, now) > 0:
            return False
        return not self._budget.spend(key, wait.still_since, now)
