"""The delays between tries to connect again."""

from __future__ import annotations

import random
from typing import Final

from fastserver.config import parameters
from fastserver.errors import ConfigError

FIRST_DELAY: Final = 0.1  # seconds before the first try to connect again
LONGEST_DELAY: Final = 30.0  # seconds


class Delays:
    """Seconds to wait before each try to connect again: `first`, then twice as many each time, at most `longest`.

    A random part of at most half is taken off, so that the clients of a server spread. None stands for the default.
    Raises `ConfigError`.
    """

    def __init__(self, first: float | None, longest: float | None) -> None:
        least = min(FIRST_DELAY, LONGEST_DELAY if longest is None else parameters.seconds("longest_delay", longest))
        self._first = least if first is None else parameters.seconds("first_delay", first)
        self._longest = max(LONGEST_DELAY, self._first) if longest is None else float(longest)
        if not self._first <= self._longest < float("inf"):
            what = f"first_delay {first!r} is not allowed with longest_delay {longest!r}"
            raise ConfigError(f"{what}; allowed is as much at most, and no infinity")
        self._delay = self._first

    def next(self) -> float:
        """Seconds to wait now."""
        delay, self._delay = self._delay, min(2 * self._delay, self._longest)
        return delay * random.uniform(0.5, 1.0)

    def stood(self, seconds: float) -> None:
        """Begins again with the first delay if a connection lasted long enough not to be one of a row of failures."""
        if seconds > self._longest:
            self._delay = self._first
