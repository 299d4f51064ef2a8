"""A budget of time: for how many seconds in any minute each of many may make others wait."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer

WINDOW: Final = 60.0
"""Seconds."""

GRAIN: Final = 1.0
"""Seconds in which all that is spent is one entry, so that a window has no more entries than grains."""


class Budget:
    """How much of `seconds` each key has spent in the last `WINDOW`. Keys that spent nothing since are forgotten."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # From when till when, and how much of that was spent; the key that spent last comes last.
        self._spent: OrderedDict[object, deque[tuple[float, float, float]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._spent)

    def left(self, key: object, now: float) -> float:
        """How many seconds `key` has left; `now` is loop time."""
        begin = now - WINDOW
        return self.seconds - sum(amount for _, until, amount in self._spent.get(key, ()) if until > begin)

    def spend(self, key: object, since: float, now: float) -> bool:
        """`key` spends what it has not spent yet of the time from `since` to `now`; whether it has any left. If not,
        all of it counts from now: else it would come back in pieces.
        """
        self._forget(now)
        spent = self._spent.setdefault(key, deque())
        self._spent.move_to_end(key)
        while spent and spent[0][1] <= now - WINDOW:
            spent.popleft()
        if spent:
            since = max(since, spent[-1][1])
        if spent and now - spent[-1][0] < GRAIN:
            begun, _, before = spent.pop()
            spent.append((begun, now, before + now - since))
        else:
            spent.append((since, now, now - since))
        if self.left(key, now) > 0:
            return True
        spent.clear()
        spent.append((now, now, self.seconds))
        return False

    def _forget(self, now: float) -> None:
        while self._spent:
            key, spent = next(iter(self._spent.items()))
            if spent and spent[-1][1] > now - WINDOW:
                return
            del self._spent[key]


def payer(peer: Peer) -> object:
    """Who has to answer for `peer`: its origin, where limits per address hold for it, or itself."""
    return peer.id if peer.origin is None else peer.origin
