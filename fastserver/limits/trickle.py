"""The trickle: how much may be published while a reader that is waited for is near its limit, or over it.

Rules:
- What is published may not bring the first of the readers over its target. Beyond, a trickle passes in each interval.
- A sender that says little is not held back: each has a share of a second trickle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from fastserver.fanout.tick import NEVER

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.fanout.tick import Tick
    from fastserver.limits.readers import Readers
    from fastserver.peers.peer import Peer

TRICKLE_INTERVAL: Final = 0.01
"""Seconds between two pieces of the trickle."""


class Trickle:
    """Sets `Tick.hold_at` as `readers` need it. `ended` is called at the end of each interval, with its seconds."""

    def __init__(self, *, clock: Clock, tick: Tick, readers: Readers, ended: Callable[[float], object]) -> None:
        self.share = 0
        """Bytes in an interval of each sender that says little."""
        self._clock = clock
        self._tick = tick
        self._readers = readers
        self._ended = ended
        self._began = 0.0  # of the interval, loop time
        self._runs = False
        self._end = 0  # the total of published bytes that may be reached in this interval
        self._left = 0  # of the second trickle, bytes
        self._used: dict[Peer, int] = {}  # by each sender of its share, bytes

    @property
    def used(self) -> bool:
        """True if senders passed messages on as part of their shares."""
        return bool(self._used)

    def measure(self) -> None:
        """Look anew at how much may be published."""
        least = self._readers.least_due()
        self._tick.hold_at = NEVER if least is None else max(least, self._end)

    def fits(self, sender: Peer, size: int) -> bool:
        """True if `size` bytes that `sender` sent may be passed on now, maybe as part of its share."""
        tick = self._tick
        if tick.published + size <= tick.hold_at:
            return True
        self.begin()
        used = self._used.get(sender, 0) + size
        if used <= self.share and size <= self._left:
            self._used[sender] = used
            self._left -= size
            return True
        self.measure()
        return tick.published + size <= tick.hold_at

    def begin(self) -> None:
        """Begin an interval, unless one runs."""
        if self._runs:
            return
        tick = self._tick
        self._runs = True
        self._began = self._clock.time()
        self._clock.call_later(TRICKLE_INTERVAL, self._finish)
        before = tick.hold_at
        self.measure()
        piece = self._readers.trickle(self._began, TRICKLE_INTERVAL)
        self._left = piece // 4
        # Bytes that passed beyond those that could are not forgiven, but for the shares.
        self._end = min(before + sum(self._used.values()), tick.published) + piece - self._left
        self.share = self._left // max(1, len(self._used))
        self._used.clear()
        if self._readers:
            tick.hold_at = max(tick.hold_at, self._end)

    def _finish(self) -> None:
        self._runs = False
        self._ended(self._clock.time() - self._began)
