"""A budget of time: for how many seconds in any minute each of many peers may make others wait."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer

WINDOW: Final = 60.0
"""Seconds after which a second that was spent comes back."""

GRAIN: Final = 1.0
"""Seconds that one entry covers, so that a key has no more entries than there are grains in a window."""


class Budget:
    """Seconds that each key has spent, of `seconds` in any `WINDOW`. Keys that spent nothing since are forgotten."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # Of each key: begin and end of a time, and the seconds spent in it. The key that spent last comes last.
        self._spent: OrderedDict[object, deque[tuple[float, float, float]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._spent)

    def left(self, key: object, now: float) -> float:
        """The seconds that `key` has left; `now` is loop time."""
        begin = now - WINDOW
        return self.seconds - sum(amount for _, until, amount in self._spent.get(key, ()) if until > begin)

    def spend(self, key: object, since: float, now: float) -> bool:
        """Take the time from `since` to `now` off the budget of `key`, unless that is done; true if some is left.

        If none is left, the whole budget counts as spent now: else it would come back in pieces.
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
    """The key that pays for `peer`: its origin, where limits per address hold for it, or its id."""
    return peer.id if peer.origin is None else peer.origin
