"""A budget of time: for how many seconds in any minute each of many may make others wait."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

WINDOW: Final = 60.0
"""Seconds."""

GRAIN: Final = 1.0
"""Seconds in which all that is spent is one entry, so that a window has no more entries than grains."""


class Budget:
    """How much of `seconds` each key has spent in the last `WINDOW`. Keys that spent nothing since are forgotten."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # Of each key, in the order of their last: when it was spent, and how much.
        self._spent: OrderedDict[object, deque[tuple[float, float]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._spent)

    def left(self, key: object, now: float) -> float:
        """How many seconds `key` has left; `now` is loop time."""
        begin = now - WINDOW
        return self.seconds - sum(amount for when, amount in self._spent.get(key, ()) if when > begin)

    def spend(self, key: object, amount: float, now: float) -> bool:
        """`key` spends `amount` seconds; whether it has any left. If not, all of it counts from now: else it would come
        back in pieces.
        """
        self._forget(now)
        spent = self._spent.setdefault(key, deque())
        self._spent.move_to_end(key)
        while spent and spent[0][0] <= now - WINDOW:
            spent.popleft()
        if spent and now - spent[-1][0] < GRAIN:
            when, before = spent.pop()
            spent.append((when, before + amount))
        else:
            spent.append((now, amount))
        if self.left(key, now) > 0:
            return True
        spent.clear()
        spent.append((now, self.seconds))
        return False

    def _forget(self, now: float) -> None:
        while self._spent:
            key, spent = next(iter(self._spent.items()))
            if spent and spent[-1][0] > now - WINDOW:
                return
            del self._spent[key]
