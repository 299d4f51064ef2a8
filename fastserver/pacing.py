"""Pacing: senders are slowed while someone is behind but taking, so that no policy has to act.

Rule: while a peer that is still taking data is more than a quarter of its limit behind, each sender is read at most
once in 10 ms. A peer that took nothing for a second is stuck: it paces nobody, and its limit will deal with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from fastserver.pause import Pause

if TYPE_CHECKING:
    from fastserver.peer import Peer

INTERVAL: Final = 0.01
"""Seconds in which a paced sender is read once. With uvloop's reads of 256,000 bytes that is 25 MB/s."""

STUCK: Final = 1.0
"""Seconds without taking anything after which a peer paces nobody."""

SHARE: Final = 4
"""A peer is waited for when it is further behind than its limit divided by this."""


class Pacing:
    """Who is waited for, and who waits. `max_pending` is the limit of a peer, bytes.

    `time` (seconds) and `call_later` are the loop's, set when there is one.
    """

    time: Callable[[], float]
    call_later: Callable[[float, Callable[[], None]], object]

    def __init__(self, max_pending: int) -> None:
        self.active = False
        """Whether senders are slowed: each is to `rest` after a read."""
        self._behind = max_pending // SHARE
        self._moving: dict[Peer, tuple[int, float]] = {}  # bytes it had taken, and when that last changed
        self._resting: list[Peer] = []
        self._updated = 0.0

    def watch(self, peer: Peer) -> None:
        """`peer` is behind, and has just taken something."""
        self._moving[peer] = (peer.delivered_bytes, self.time())

    def forget(self, peer: Peer) -> None:
        """`peer` has caught up, or is gone."""
        self._moving.pop(peer, None)

    def rest(self, sender: Peer) -> None:
        """Read `sender` no further in this interval."""
        self._resting.append(sender)
        sender.pause_reading(Pause.PACE)

    def flushed(self) -> None:
        """Something was brought to the peers."""
        if not self.active and self._moving and self.time() - self._updated >= INTERVAL:
            self._update()
            if self.active:
                self.call_later(INTERVAL, self._interval)

    def _interval(self) -> None:
        self._update()
        resting, self._resting = self._resting, []
        for sender in resting:
            sender.resume_reading(Pause.PACE)
        if self.active:
            self.call_later(INTERVAL, self._interval)

    def _update(self) -> None:
        now = self._updated = self.time()
        self.active = False
        for peer, (taken, since) in list(self._moving.items()):
            delivered = peer.delivered_bytes
            if delivered != taken:
                self._moving[peer] = (delivered, now)
            elif now - since >= STUCK:
                del self._moving[peer]
                continue
            if peer.pending_bytes > self._behind:
                self.active = True
