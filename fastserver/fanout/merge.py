"""Batches of several channels, merged for a peer that keeps up in the order of the calls."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace
from operator import itemgetter
from typing import TYPE_CHECKING

from fastserver.fanout.parts import cut

if TYPE_CHECKING:
    from fastserver.fanout.batch import Batch
    from fastserver.fanout.member import Member
    from fastserver.fanout.parts import Part


class Share:
    """The share of `member` in `batch`, and how much of it was taken."""

    __slots__ = ("_at", "_own", "_passed", "_run", "_runs", "_view", "messages")

    def __init__(self, batch: Batch, member: Member) -> None:
        self._runs = batch.runs
        self._run = 0  # which is next
        self._view = memoryview(batch.blob)
        self._at = 0
        self._own = member.own
        self._passed = 0  # of them
        self.messages = batch.messages - member.own_amount[0]

    @property
    def order(self) -> int | None:
        """The order of the next run; None at the end."""
        return self._runs[self._run][0] if self._run < len(self._runs) else None

    def take(self, before: int | None) -> list[memoryview]:
        """The next parts, up to the first run that is of order `before` or later."""
        end = len(self._view)
        self._run = len(self._runs) if before is None else bisect_left(self._runs, before, self._run, key=itemgetter(0))
        if self._run < len(self._runs):
            end = self._runs[self._run][1]
        first = self._passed
        while self._passed < len(self._own) and self._own[self._passed][0] < end:
            self._passed += 1
        start, self._at = self._at, end
        return cut(self._view[:end], start, self._own[first : self._passed])


def merged(hears: list[tuple[Batch, Member]]) -> tuple[Sequence[Part], int]:
    """The parts that a peer is to receive of these batches, as these members, and how many messages they hold.

    The work is in proportion to how often it goes from one channel to another, and to what the peer sent itself.
    """
    if len(hears) == 1:
        batch, member = hears[0]
        return batch.to(member)
    shares = [Share(batch, member) for batch, member in hears]
    following = [(share.order or 0, number, share) for number, share in enumerate(shares)]
    heapify(following)
    parts: list[memoryview] = []
    while following:
        _, number, share = following[0]
        parts += share.take(min(following[1:3])[0] if len(following) > 1 else None)
        if share.order is None:
            heappop(following)
        else:
            heapreplace(following, (share.order, number, share))
    joined = b"".join(parts)
    return ((joined,) if joined else ()), sum([share.messages for share in shares])
