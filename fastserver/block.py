"""Block: senders wait for slow consumers, so that nothing is dropped and nobody closed at once.

Rule: while some peer is over its limit, senders are read once more and then wait, until it is under half its limit.
A peer that is itself over the limit is read on: it may take what waits only when it has sent all it has, and two of
that kind would wait for each other for ever. What they send meanwhile is bounded by `max_memory`.

Senders wait for one peer no longer than `timeout` in any minute. Then the peer furthest behind is closed, and the
others get a new chance.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.pause import Pause

if TYPE_CHECKING:
    from fastserver.peer import Peer
    from fastserver.server import Server

WINDOW: Final = 60.0
"""Seconds in which senders wait for one peer at most `timeout` seconds."""

INTERVAL: Final = 0.01
"""Seconds after which the peers that are waited for are looked at again."""


class Block:
    """Who is waited for, and who waits. `limit` is how far a peer may be behind, bytes; `timeout` is in seconds."""

    def __init__(self, server: Server, limit: int, timeout: float) -> None:
        self.active = False
        """Whether senders wait: each is to `rest` after a read."""
        self._server = server
        self._enough = limit // 2
        self._timeout = timeout
        self._slow: dict[Peer, float] = {}  # since when (loop time)
        self._waited: dict[Peer, deque[tuple[float, float]]] = {}  # from when till when, before that
        self._resting: list[Peer] = []

    def wait_for(self, peer: Peer) -> None:
        """`peer` is over its limit."""
        if peer not in self._slow:
            self._slow[peer] = self._server.time()
            peer.resume_reading(Pause.BLOCK)
            if not self.active:
                self.active = True
                self._server.call_later(INTERVAL, self._look)

    def release(self, peer: Peer) -> None:
        """`peer` is under half its limit, or gone."""
        since = self._slow.pop(peer, None)
        if since is None:
            return
        self._waited.setdefault(peer, deque()).append((since, self._server.time()))
        if not self._slow:
            resting, self._resting = self._resting, []
            for sender in resting:
                sender.resume_reading(Pause.BLOCK)

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self.release(peer)
        self._waited.pop(peer, None)

    def rest(self, sender: Peer) -> None:
        """Read `sender` no further, unless it is waited for itself."""
        if self._slow and sender not in self._slow:
            self._resting.append(sender)
            sender.pause_reading(Pause.BLOCK)

    def _left(self, peer: Peer) -> float:
        """How long senders may still wait for `peer`, seconds."""
        now = self._server.time()
        begin = now - WINDOW
        waited = self._waited.get(peer, deque())
        while waited and waited[0][1] <= begin:
            waited.popleft()
        times = [*waited, (self._slow.get(peer, now), now)]
        return self._timeout - sum(until - max(since, begin) for since, until in times)

    def _look(self) -> None:
        for peer in [peer for peer in self._slow if peer.pending_bytes < self._enough]:
            self.release(peer)
        if any(self._left(peer) <= 0 for peer in self._slow):
            furthest = max(self._slow, key=lambda peer: peer.pending_bytes)
            self.release(furthest)
            self._waited.clear()
            self._slow = dict.fromkeys(self._slow, self._server.time())
            furthest.cut_off(CloseReason.SLOW_CONSUMER)
        self.active = bool(self._slow)
        if self.active:
            self._server.call_later(INTERVAL, self._look)
