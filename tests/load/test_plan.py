"""What a load is asked to do, and what cannot be asked; mixes of sizes; when writes are due."""

from __future__ import annotations

from typing import Any

import pytest

from fastserver.errors import ConfigError
from fastserver.load.board import HEARD, OWED, Board, shared
from fastserver.load.link import Link
from fastserver.load.mix import Mix, writes
from fastserver.load.pace import BURST, FixedRate, FlatOut, Lockstep
from fastserver.load.plan import Plan
from fastserver.load.wire import WIRES, FramingWire

LINES = WIRES["lines"]


@pytest.mark.parametrize(
    ("options", "option", "text"),
    [
        ({"publishers": 0}, "--publishers", "allowed is 1 to 100000"),
        ({"all_to_all": 1}, "--all-to-all", "allowed is 2 to 100000, or off"),
        ({"rate": 0.0}, "--rate", "allowed is 0.001 to 1000000000, or off"),
        ({"duration": float("nan")}, "--duration", "allowed is 0.001 s to 86400 s"),
        ({"size": "7"}, "--size", "allowed is 8 B to 1 GiB"),
        ({"size": "64:1,"}, "--size", "allowed is 8 B to 1 GiB"),
        ({"size": "64:0"}, "--size", "allowed is shares of 1 to 1000, as in 64:90,1024:10"),
        ({"size": "64:999,65:2"}, "--size", "allowed are shares of 1000 together"),
        ({"size": "1MiB", "batch": 1000}, "--batch", "come to more than 256 MiB"),
        ({"lockstep": True, "rate": 1.0, "processes": 1}, "--rate", "is not allowed with --lockstep"),
        ({"lockstep": True, "processes": 2}, "--processes", "is not allowed with --lockstep"),
        ({"rate": 1e9, "check": 60.0}, "--check", "too many messages"),
    ],
)
def test_what_is_not_allowed(options: dict[str, Any], option: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Plan(**options)
    assert str(raised.value).startswith(f"{option}: ")
    assert text in str(raised.value)


def test_who_is_there() -> None:
    fan_out = Plan(publishers=2, subscribers=5)
    assert (fan_out.senders, fan_out.receivers, fan_out.connections, fan_out.hearers) == (2, 5, 7, 5)
    all_to_all = Plan(all_to_all=5)
    assert (all_to_all.senders, all_to_all.receivers, all_to_all.connections, all_to_all.hearers) == (5, 5, 5, 4)
    assert Plan(all_to_all=5, echo=True).hearers == 5
    apart = Plan(wire=FramingWire(both=False), all_to_all=5)
    assert (apart.senders, apart.receivers, apart.connections, apart.hearers) == (5, 5, 10, 5)


def test_a_mix() -> None:
    """The shares are kept in every round, and each size is spread over it."""
    mix = Mix("64:80, 1KiB:20")
    assert mix.cycle == (64, 64, 1024, 64, 64)
    assert str(mix) == "64 B (80 %), 1 KiB (20 %)"
    assert str(Mix("100")) == "100 B"
    assert mix.delivered(LINES) == (4 * 65 + 1025) / 5


def test_writes_go_on_where_the_last_ended() -> None:
    built = writes(LINES, Mix("64:2,100:1"), 2)
    frames = {size: LINES.publish(LINES.payload(size)) for size in (64, 100)}
    cycle = Mix("64:2,100:1").cycle
    assert b"".join(write.data for write in built) == b"".join(frames[size] for size in cycle * 2)
    assert [write.delivered for write in built] == [len(write.data) for write in built]
    assert len(built) == 3


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
    """Whenever it is asked, all that was due by then has been offered, each publisher in its turn."""
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
    board.mine[HEARD] = 2**19 + 1
    crowd.links[0].queued = True
    pace.grant(0)
    assert crowd.offered == [BURST, 2 * BURST]


def test_lockstep_waits_for_all() -> None:
    crowd, board = Links(), Board(shared(1))
    pace = Lockstep(board, crowd.links, crowd.offer)
    pace.grant(0)
    board.mine[OWED], board.mine[HEARD] = 130, 129
    pace.grant(0)
    assert crowd.offered == [1, 1]
    board.mine[HEARD] = 130
    pace.grant(0)
    assert crowd.offered == [2, 2]
