"""The report."""

from __future__ import annotations

import logging

import pytest
from support.simulation import Simulation
from support.turns import MANY, Turns, crowd

from fastserver.peers.peer import Peer
from fastserver.peers.rounds import AT_ONCE


def test_report(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(message_timeout=None, log_messages=0)
    turns = Turns(simulation, monkeypatch, Peer, "figures")
    peers = crowd(simulation, room=0)
    sender, _ = simulation.connect()
    for _ in range(3):
        sender.data_received(b"x" * 9 + b"\n")
        simulation.loop.tick()
    peers[7][1].give_room(25)
    with caplog.at_level(logging.INFO, "fastserver"):
        simulation.server.report()
        assert "report:" not in caplog.text
        peers[MANY - 1][1].reset()  # one that leaves before it is looked at, and one after
        peers[0][1].reset()
        simulation.connect()  # and one that comes
        simulation.loop.tick()
        simulation.loop.advance(0.0)
    first, *others = [record.getMessage() for record in caplog.records if "report:" in record.getMessage()]
    assert first == (
        f"report: {MANY + 1} peers connected, {MANY + 1} since start, 3 messages (30 bytes) in, 2 messages (25 bytes) "
        f"out, {3 * (MANY - 1) - 2} pending, 3 dropped, 0 connections refused"
    )
    assert len(others) == 100
    assert 0 < turns.longest <= AT_ONCE + 100


def test_report_of_few_is_written_at_once(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(message_timeout=None)
    simulation.connect()
    with caplog.at_level(logging.INFO, "fastserver"):
        simulation.server.report()
    assert "report: 1 peers connected" in caplog.text


def test_the_furthest_behind_come_first(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(log_messages=0)
    sender, _ = simulation.connect()
    for room in (10, 0, 1000, 5):
        simulation.connect(room)
    sender.data_received(b"x" * 99 + b"\n")
    simulation.loop.tick()
    with caplog.at_level(logging.INFO, "fastserver"):
        simulation.server.report()
    lines = [record.getMessage() for record in caplog.records if "report: peer" in record.getMessage()]
    assert [line.split(" ")[2] for line in lines] == ["3", "5", "2"]
    assert [line.partition(": ")[2].partition(": ")[2] for line in lines] == [
        f"1 messages ({size} bytes) pending, 0 out, 0 dropped" for size in (100, 95, 90)
    ]
