"""Work on all peers is done in slices, whatever it is for."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from support.simulation import Loop, Simulation
from support.turns import Turns, crowd

from fastserver import CloseReason
from fastserver.clock import Clock
from fastserver.peers.peer import Peer
from fastserver.peers.rounds import AT_ONCE, Rounds, visit_all


def test_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(heartbeat=4.0, message_timeout=None, log_messages=0)
    turns = Turns(simulation, monkeypatch, Peer, "offered")
    peers = crowd(simulation)
    simulation.loop.advance(5.5)
    assert {bytes(transport.sent) for _, transport in peers} == {b"\n"}
    assert 0 < turns.longest <= 2 * AT_ONCE


def test_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(idle_timeout=4.0, message_timeout=None, log_messages=0)
    turns = Turns(simulation, monkeypatch, Peer, "close")
    peers = crowd(simulation)
    simulation.loop.advance(5.5)
    assert {peer.reason for peer, _ in peers} == {CloseReason.IDLE}
    assert 0 < turns.longest <= AT_ONCE


def clock(loop: Loop) -> Clock:
    made = Clock()
    made.start(loop)  # type: ignore[arg-type]
    return made


def test_a_look_that_fails_ends_neither_the_round_nor_the_rounds() -> None:
    loop, seen = Loop(), []

    def look(number: Any) -> None:
        seen.append(number)
        if number % AT_ONCE == AT_ONCE - 1:
            raise RuntimeError

    rounds = Rounds(clock(loop), range(250), 1.0, look)
    rounds.begin()
    for _ in range(12):
        with contextlib.suppress(RuntimeError):
            loop.advance(1.0)
    assert seen[:250] == list(range(250))
    assert len(seen) > 500


def test_rounds_do_not_overlap() -> None:
    loop, looked = Loop(), []
    rounds = Rounds(clock(loop), range(250), 1e-9, looked.append)
    rounds.begin()
    rounds.begin()
    for _ in range(10):
        assert loop.waiting == 1
        loop.advance(1e-9)
    assert looked[:500] == [*range(250), *range(250)]


@pytest.mark.parametrize("many", [0, 1, AT_ONCE, AT_ONCE + 1])
def test_done_at_the_end(many: int) -> None:
    loop, done = Loop(), []
    visit_all(clock(loop), range(many), lambda _: None, lambda: done.append(1))
    loop.advance(0.0)
    assert done == [1]
