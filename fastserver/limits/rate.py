"""A rate: so much in a second, and a burst on top."""

from __future__ import annotations


class Bucket:
    """A token bucket that can go into debt.

    `rate` tokens come in a second, up to `burst` seconds' worth. More can be taken than there are: what is taken was
    had already, and is paid for by waiting. Times are seconds.
    """

    __slots__ = ("_burst", "_full_at", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._full_at = 0.0  # the one figure that says how much is in it: when it will be full

    def take(self, tokens: float, now: float) -> None:
        """Take that many."""
        self._full_at = max(self._full_at, now) + tokens / self._rate

    def full(self, now: float) -> bool:
        """Whether nothing is missing of its burst."""
        return self._full_at <= now

    def debt(self, now: float) -> float:
        """How long it will be in debt, 0 if it is not."""
        return max(0.0, self._full_at - self._burst - now)
