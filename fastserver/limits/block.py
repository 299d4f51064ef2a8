"""Block: senders wait for slow consumers, so that nothing is dropped and nobody closed at once.

Rule: while some peer is over its limit, senders are read once more and then wait, until it is under half its limit.
A peer that is itself over the limit is read on: it may take what waits only when it has sent all it has, and two of
that kind would wait for each other for ever. What they send meanwhile is bounded by `max_memory`.

Senders wait no longer than `timeout` in any minute for one peer (or origin, where limits per address hold) that takes
nothing. Then it is closed. Of several that take nothing each has its own time, and it runs at once, also for those that
are behind but not over their limit yet. One that goes on taking is waited for as long as it takes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.fanout.pause import Pause
from fastserver.limits.budget import Budget, payer

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer
    from fastserver.server import Server

INTERVAL: Final = 0.01
"""Seconds after which those of the peers that are waited for are looked at whose turn it is."""

LOOKS: Final = 50
"""How often a peer is looked at within its time, if that is not more often than in each `INTERVAL`."""

LONGEST: Final = 0.1
"""Seconds after which each peer is looked at again at the latest, if there are not too many."""

AT_ONCE: Final = 500
"""Peers looked at without letting the loop do anything else."""

PATIENCE: Final = 1.0
"""Seconds without taking anything that are nothing yet: some systems acknowledge in lumps."""


class Wait:
    """One that is waited for: what it has taken, since when it took no more, and when it was looked at (loop time)."""

    __slots__ = ("looked", "still", "taken")

    def __init__(self, taken: int, now: float) -> None:
        self.taken = taken
        self.still = self.looked = now


class Block:
    """Who is waited for, and who waits. `limit` is how far a peer may be behind, bytes; `timeout` is in seconds."""

    def __init__(self, server: Server, limit: int, timeout: float) -> None:
        self._server = server
        self._enough = limit // 2
        self._budget = Budget(timeout)
        self._patience = min(PATIENCE, timeout / 2)
        self._every = max(INTERVAL, min(LONGEST, timeout / LOOKS))
        self._slow: OrderedDict[Peer, Wait] = OrderedDict()  # in the order of their last look
        self._resting: dict[Peer, None] = {}
        self._looking = False
        # For how long senders have waited in all, up to `_since` (loop time), when they last began to, seconds.
        self._waited = self._since = 0.0
        # Of those behind at the last such time: what they had taken, and for how long senders had waited by then.
        self._behind: dict[Peer, tuple[int, float]] = {}

    def wait_for(self, peer: Peer) -> None:
        """`peer` is over its limit."""
        if peer not in self._slow:
            now = self._server.clock.time()
            if not self._slow:
                self._since = now
                self._note_behind()
                self._server.flush.brakes.append(self)
            self._slow[peer] = self._wait(peer, now)
            self._resting.pop(peer, None)
            peer.resume_reading(Pause.BLOCK)
            if not self._looking:
                self._looking = True
                self._server.clock.call_later(INTERVAL, self._look)

    def moved(self, peer: Peer) -> None:
        """`peer` has taken something."""
        if peer in self._slow and peer.pending_bytes < self._enough:
            self.release(peer)

    def release(self, peer: Peer) -> None:
        """`peer` is waited for no more."""
        if self._slow.pop(peer, None) is not None and not self._slow:
            self._server.flush.brakes.remove(self)
            self._waited += self._server.clock.time() - self._since
            resting, self._resting = self._resting, {}
            for sender in resting:
                sender.resume_reading(Pause.BLOCK)

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self.release(peer)
        self._resting.pop(peer, None)
        self._behind.pop(peer, None)

    def after_read(self, sender: Peer, size: int, messages: int) -> None:
        """Pause the reading of `sender`, unless it is waited for itself."""
        if self._slow and sender not in self._slow and sender.reason is None:
            self._resting[sender] = None
            sender.pause_reading(Pause.BLOCK)

    def _note_behind(self) -> None:
        """Senders begin to wait: note what those that are behind have taken, if they have taken more since."""
        for peer in self._server.flush.behind:
            taken = peer.acknowledged_bytes
            if self._behind.get(peer, (-1, 0.0))[0] != taken:
                self._behind[peer] = taken, self._waited

    def _wait(self, peer: Peer, now: float) -> Wait:
        """`peer` is over its limit. Senders may have waited while it was behind and took nothing: that counts."""
        taken = peer.acknowledged_bytes
        wait = Wait(taken, now)
        noted, waited = self._behind.get(peer, (-1, 0.0))
        if noted == taken:
            wait.still -= self._waited - waited + (now - self._since if self._slow else 0.0)
        return wait

    def _look(self) -> None:
        now = self._server.clock.time()
        for _ in range(min(AT_ONCE, len(self._slow))):
            if not self._slow:
                break
            peer, wait = next(iter(self._slow.items()))
            if now - wait.looked < self._every:
                break
            self._slow.move_to_end(peer)
            wait.looked = now
            if peer.pending_bytes < self._enough:
                self.release(peer)
            elif self._is_over(peer, wait, now):
                self.release(peer)
                peer.cut_off(CloseReason.SLOW_CONSUMER)
        self._looking = bool(self._slow)
        if self._looking:
            self._server.clock.call_later(INTERVAL, self._look)

    def _is_over(self, peer: Peer, wait: Wait, now: float) -> bool:
        """Whether `peer` takes nothing, and has done so for all the time there is."""
        taken, wait.taken = wait.taken, peer.acknowledged_bytes
        if wait.taken > taken:
            wait.still = now
            return False
        key = payer(peer)
        if now - wait.still < self._patience and self._budget.left(key, now) > 0:
            return False
        return not self._budget.spend(key, wait.still, now)
