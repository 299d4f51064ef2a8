"""A rate: so many tokens in a second, and a burst on top."""

from __future__ import annotations


class Bucket:
    """A token bucket that can go into debt.

    `rate` tokens come in a second, up to `burst` seconds' worth. More can be taken than there are, since whatever they
    stand for has happened already; waiting pays for it. Times are seconds.
    """

    __slots__ = ("_burst", "_full_at", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._full_at = 0.0  # when the bucket will be full, which tells how much is in it

    def take(self, tokens: float, now: float) -> None:
        """Take so many tokens."""
        self._full_at = max(self._full_at, now) + tokens / self._rate

    def full(self, now: float) -> bool:
        """True if nothing of the burst is missing."""
        return self._full_at <= now

    def debt(self, now: float) -> float:
        """Seconds until the debt is paid, 0 if there is none."""
        return max(0.0, self._full_at - self._burst - now)
