"""Rounds: every peer is visited now and then, a few in one turn of the loop, so that many do not hold it up.

A round visits those that are there when it begins: copying 65,536 peers takes 0.2 ms, and any of them may leave
meanwhile. Peers that come later are visited in the next round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

from fastserver.clock import Clock

AT_ONCE: Final = 100
"""Peers visited in one turn of the loop: 1 ms at 10 µs each."""

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)


class Peers(Protocol[P_co]):
    """Some peers."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[P_co]: ...


class Rounds(Generic[P]):
    """Calls `visit` for each of `peers` once in `interval` seconds, as long as there are any."""

    def __init__(self, clock: Clock, peers: Peers[P], interval: float, visit: Callable[[P], object]) -> None:
        self._clock = clock
        self._peers = peers
        self._interval = interval
        self._visit = visit
        self._going = False

    def begin(self) -> None:
        """Go on until there are no peers; does nothing if that is so already."""
        if not self._going:
            self._clock.call_later(self._interval, self._go)
            self._going = True

    def _go(self) -> None:
        visit_all(self._clock, self._peers, self._visit, self._end)

    def _end(self) -> None:
        self._going = False
        if self._peers:
            self.begin()


def visit_all(clock: Clock, peers: Iterable[P], visit: Callable[[P], object], done: Callable[[], object]) -> None:
    """Call `visit` for each of `peers`, a few in one turn of the loop, and `done` after all, also where one raised."""
    left = iter(list(peers))

    def some() -> None:
        these = list(islice(left, AT_ONCE))
        try:
            for peer in these:
                visit(peer)
        finally:
            if len(these) == AT_ONCE:
                clock.call_later(0, some)
            else:
                done()

    some()
