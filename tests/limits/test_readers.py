"""The readers that senders are slowed for: which, and for how long."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.pace import LIMIT, begin, flood, let_pass

from fastserver import CloseReason
from fastserver.limits.readers import STUCK
from fastserver.limits.trickle import TRICKLE_INTERVAL
from fastserver.peers.peer import Peer


def test_one_that_is_stuck_is_not_brought_over_its_limit_while_it_is_waited_for_and_the_others_hear_all_the_time() -> (
    None
):
    simulation, sender, (stuck, _) = begin()
    healthy, hearing = simulation.connect()
    flood(simulation, sender)
    for _ in range(round(STUCK / TRICKLE_INTERVAL)):
        before = len(hearing.sent)
        flood(simulation, sender)
        assert stuck.pending_bytes <= LIMIT
        simulation.loop.advance(TRICKLE_INTERVAL)
        assert len(hearing.sent) > before
    simulation.loop.advance(STUCK / 2)
    assert not simulation.server.limits.pacing.active
    flood(simulation, sender, 10)
    assert stuck.reason is CloseReason.SLOW_CONSUMER
    assert sender[1].reading
    assert healthy.pending_bytes == 0


def test_one_that_was_stuck_is_waited_for_again_when_it_moves() -> None:
    simulation, sender, (slow, reading) = begin(slow_consumer="drop-oldest")
    flood(simulation, sender)
    simulation.loop.advance(STUCK * 1.5)
    assert not simulation.server.limits.pacing.active
    flood(simulation, sender, 1)
    assert slow.dropped == (0, 0)
    reading.give_room(reading.get_write_buffer_size())
    flood(simulation, sender)
    assert simulation.server.limits.pacing.active


@pytest.mark.parametrize("settings", [{}, {"limit_loopback": True, "max_peers_per_address": 1000}])
def test_one_that_takes_little_is_waited_for_until_its_budget_is_spent_and_then_named(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    simulation, sender, (slow, reading) = begin(pace_timeout=3.0, **settings)
    _healthy, hearing = simulation.connect()
    flood(simulation, sender)

    def run(seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            reading.give_room(500)
            let_pass(simulation, 0.1, sender)

    with caplog.at_level(logging.WARNING, "fastserver"):
        for _ in range(28):
            before = len(hearing.sent)
            run(0.1)
            assert len(hearing.sent) > before
            assert simulation.server.limits.pacing.active
            assert slow.pending_bytes <= LIMIT
        assert not caplog.messages
        run(0.5)
    assert len(caplog.messages) == 2
    assert "peer 2 127.0.0.1:40002 is " in caplog.messages[0]
    assert "slowed the others for 3 s in a minute" in caplog.messages[0]
    assert slow.reason is CloseReason.SLOW_CONSUMER
    # A peer that comes again has a new budget if connections count, and none where addresses count.
    again, rereading = simulation.connect(room=0)
    flood(simulation, sender)
    rereading.give_room(1)
    assert simulation.server.limits.pacing.active is not bool(settings)
    assert (again.reason is None) is not bool(settings)


def test_one_that_takes_its_limit_within_a_second_is_no_burden() -> None:
    simulation, sender, (slow, reading) = begin(pace_timeout=1.0)
    for _ in range(1000):
        reading.give_room(LIMIT // 80)
        let_pass(simulation, TRICKLE_INTERVAL, sender)
    assert slow.reason is None
    assert len(reading.sent) == 1000 * (LIMIT // 80)


def test_no_work_is_done_for_peers_that_rest() -> None:
    """The cost of a read while many are behind does not depend on how many these are."""
    looks = []
    for readers in 10, 1000:
        simulation, sender, _ = begin()
        for _ in range(readers):
            simulation.connect(room=0)
        flood(simulation, sender)
        due, looked = simulation.server.limits.pacing.readers.due, []

        def counted(peer: Peer, due: Any = due, looked: list[Peer] = looked) -> Any:
            looked.append(peer)
            return due(peer)

        simulation.server.limits.pacing.readers.due = counted  # type: ignore[method-assign]
        for _ in range(10):
            simulation.loop.advance(TRICKLE_INTERVAL)
            flood(simulation, sender)
        looks.append(len(looked))
    assert looks[1] <= looks[0] + 10
