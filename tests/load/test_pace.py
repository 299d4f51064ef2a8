"""The times at which writes are due."""

from __future__ import annotations

from typing import Any

import pytest

from fastserver.load.board import OWED, RECEIVED, Board, shared
from fastserver.load.link import Link
from fastserver.load.pace import BURST, FixedRate, FlatOut, Lockstep
from fastserver.load.plan import Plan


class Links:
    """Two publishers that send all they are offered at once."""

    def __init__(self) -> None:
        self.links: list[Any] = [FakeLink(0), FakeLink(1)]
        self.offered = [0, 0]

    def offer(self, link: Link, count: int) -> None:
        self.offered[link.number] += count


class FakeLink:
    def __init__(self, number: int) -> None:
        self.number = number
        self.queued = False


def test_fixed_rate_forgets_nothing() -> None:
    """After each call, all writes due by then have been offered, each publisher's in its turn."""
    crowd = Links()
    plan = Plan(publishers=2, batch=5, rate=1000.0)  # a write each 5 ms
    rate = FixedRate(plan, 1000.0, 7_000_000_000, crowd.links, crowd.offer)
    assert rate.grant(6_999_999_999) == 0.0  # so near that it would wake late
    assert crowd.offered == [0, 0]
    assert rate.grant(7_000_000_000) == pytest.approx(0.0049)
    assert crowd.offered == [1, 0]
    rate.grant(7_100_000_000)  # 100 ms late
    assert crowd.offered == [11, 10]
    assert rate.due(0, 10) == 7_100_000_000
    assert rate.due(1, 9) == 7_095_000_000


def test_flat_out_stays_near_the_receivers() -> None:
    crowd, board = Links(), Board(shared(1))
    plan = Plan(publishers=2, subscribers=2, processes=1)
    pace = FlatOut(plan, 65, board, crowd.links, crowd.offer)
    assert pace.grant(0) == 0.0
    assert crowd.offered == [BURST, BURST]
    board.mine[OWED] = 2**20
    assert pace.grant(0) > 0
    assert crowd.offered == [BURST, BURST]
    board.mine[RECEIVED] = 2**19 + 1
    crowd.links[0].queued = True
    pace.grant(0)
    assert crowd.offered == [BURST, 2 * BURST]


def test_lockstep_waits_for_all() -> None:
    crowd, board = Links(), Board(shared(1))
    pace = Lockstep(board, crowd.links, crowd.offer)
    pace.grant(0)
    board.mine[OWED], board.mine[RECEIVED] = 130, 129
    pace.grant(0)
    assert crowd.offered == [1, 1]
    board.mine[RECEIVED] = 130
    pace.grant(0)
    assert crowd.offered == [2, 2]
