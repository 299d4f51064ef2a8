"""The pace of a load's writes: at a fixed rate, flat out, or in lockstep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from fastserver.load.board import Board
from fastserver.load.link import Link
from fastserver.load.plan import Plan

AHEAD: Final = 256 * 1024
"""Bytes per receiver that flat-out publishers may be ahead: servers cut off receivers that are much further behind."""
AHEAD_TOGETHER: Final = 64 * 1024 * 1024
"""The same for all receivers together: the slowest servers deliver it after sending has ended."""
BURST: Final = 16
"""Writes that a flat-out publisher sends between reads: a read after each write would slow it down."""
BURST_BYTES: Final = 64 * 1024
"""The same in bytes; one write is always sent, whatever its length."""
POLL_INTERVAL: Final = 0.0002
"""Seconds between readings of numbers that only other processes can change."""
LONGEST_WAIT: Final = 0.05
"""Seconds to wait where only arriving data can change something."""
SPIN: Final = 0.0001
"""Seconds before a write is due in which the process does not sleep, since sleepers are woken late."""


class Pace(Protocol):
    """Lets publishers send, by calling `offer(link, writes)`."""

    def grant(self, now: int) -> float:
        """Offer the writes due `now` (nanoseconds, monotonic clock); gives the seconds until more may be due."""


Offer = Callable[[Link, int], None]


class FixedRate:
    """`rate` messages a second, all publishers together, spread evenly over them and over time.

    A write that is due stays due: a publisher that could not send it in time sends it later, and its latency counts
    from when it was due.
    """

    def __init__(self, plan: Plan, rate: float, start: int, links: Sequence[Link], offer: Offer) -> None:
        self._links = links
        self._offer = offer
        self._senders = plan.senders
        self._interval = plan.batch / rate * 1e9
        self._start = start
        self._turn = 0  # index of the link that is next
        self._write = 0  # number of its next write

    def due(self, publisher: int, write: int) -> int:
        """The time at which that write of that publisher is due, nanoseconds of the monotonic clock."""
        return self._start + int((write * self._senders + publisher) * self._interval)

    def grant(self, now: int) -> float:
        if not self._links:
            return LONGEST_WAIT
        while (due := self.due(self._links[self._turn].number, self._write)) <= now:
            self._offer(self._links[self._turn], 1)
            self._turn += 1
            if self._turn == len(self._links):
                self._turn = 0
                self._write += 1
        return max(0.0, (due - now) / 1e9 - SPIN)


class FlatOut:
    """As fast as the server reads, though never far ahead of the receivers.

    `longest` is the bytes of the longest write, as sent or as delivered.
    """

    def __init__(self, plan: Plan, longest: int, board: Board, links: Sequence[Link], offer: Offer) -> None:
        self._links = links
        self._offer = offer
        self._board = board
        least = 2 * longest * plan.recipients  # so that the next write is there while the last is being delivered
        self._window = max(least, min(AHEAD * plan.recipients, AHEAD_TOGETHER))
        self._burst = max(1, min(BURST, BURST_BYTES // longest))
        self._closed = LONGEST_WAIT if plan.processes == 1 else POLL_INTERVAL

    def grant(self, now: int) -> float:
        if self._board.outstanding >= self._window:
            return self._closed
        offered = False
        for link in self._links:
            if not link.queued:
                self._offer(link, self._burst)
                offered = True
        return 0.0 if offered else LONGEST_WAIT


class Lockstep:
    """A write of each publisher at a time; the next once every receiver has got them all."""

    def __init__(self, board: Board, links: Sequence[Link], offer: Offer) -> None:
        self._links = links
        self._offer = offer
        self._board = board

    def grant(self, now: int) -> float:
        if self._board.outstanding <= 0:
            for link in self._links:
                if not link.queued:
                    self._offer(link, 1)
        return LONGEST_WAIT
