"""Messages that others did not get, and how they are counted and logged."""

from __future__ import annotations

import logging

import pytest
from support.simulation import Simulation

NUMBERS = [100] * 7
FRAME = b"\x97" + b"\x64" * 7
"""The message in msgpack-stream: 8 bytes, but more than 20 in lines mode."""


def test_what_a_peer_sends_counts_as_its_own(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(log_messages=5, max_message=20)
    simulation.connect()
    sender, transport = simulation.connect(mode="msgpack-stream")
    sender.data_received(FRAME * 2)
    simulation.loop.tick()
    assert "peer 2 sent what cannot be put into lines: 2 messages are lost for those peers" in caplog.text
    assert sender.figures().untranslatable_messages == 2
    transport.reset()
    simulation.loop.tick()
    assert not simulation.server.peers.losses.untranslatable
    assert simulation.server.peers.totals().untranslatable_messages == 2


def test_what_the_program_sends_counts_too_and_is_logged_as_its_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fastserver")
    simulation = Simulation(mode="msgpack", log_messages=5, max_message=20)
    simulation.connect(mode="lines")
    simulation.server.everyone.broadcast(NUMBERS)
    simulation.loop.tick()
    assert "the program sent what cannot be put into lines: 1 messages are lost for those peers" in caplog.text
    assert simulation.server.peers.totals().untranslatable_messages == 1
    simulation.server.report()
    assert "0 connections refused, 1 untranslatable" in caplog.text


def test_what_a_peer_that_is_gone_had_sent_leaves_nothing_behind() -> None:
    simulation = Simulation(log_messages=0, max_message=20, flush_interval=1.0)
    simulation.server.on_message(lambda message: message.broadcast())
    simulation.connect()
    sender, transport = simulation.connect(mode="msgpack-stream")
    sender.data_received(FRAME)
    transport.reset()
    simulation.loop.tick()
    assert sender.closed
    simulation.loop.advance(1.0)  # only now it is translated
    assert [*simulation.server.peers.losses.untranslatable] == [0]
    assert simulation.server.peers.totals().untranslatable_messages == 1
