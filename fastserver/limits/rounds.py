"""Rounds: all peers are looked at, some at a time, so that however many there are they do not hold the loop.

A round goes over a copy of who is there when it begins: at 65,536 peers that takes 0.2 ms, and each may leave
meanwhile. Who comes later is for the next round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer

AT_ONCE: Final = 100
"""Peers looked at without letting the loop do anything else: 1 ms at 10 µs each."""

CallLater = Callable[..., object]
"""The loop's timer: seconds, a function, its arguments."""


class Peers(Protocol):
    """Some peers."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Peer]: ...


class Rounds:
    """Calls `look` for each of `peers` once in `interval` seconds, as long as there are any."""

    def __init__(self, peers: Peers, interval: float, look: Callable[[Peer], object]) -> None:
        self._peers = peers
        self._interval = interval
        self._look = look
        self._going = False

    def watch(self, call_later: CallLater) -> None:
        """There is a peer."""
        if not self._going:
            call_later(self._interval, self._begin, call_later)
            self._going = True

    def _begin(self, call_later: CallLater) -> None:
        go_over(self._peers, self._look, call_later, lambda: self._end(call_later))

    def _end(self, call_later: CallLater) -> None:
        self._going = False
        if self._peers:
            self.watch(call_later)


def go_over(
    peers: Iterable[Peer], look: Callable[[Peer], object], call_later: CallLater, done: Callable[[], object]
) -> None:
    """Call `look` for each of `peers`, some at a time, and `done` at the end, also where a `look` raises."""
    left = iter(list(peers))

    def some() -> None:
        these = list(islice(left, AT_ONCE))
        try:
            for peer in these:
                look(peer)
        finally:
            if len(these) == AT_ONCE:
                call_later(0, some)
            else:
                done()

    some()
