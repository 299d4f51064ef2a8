"""A message now and then to peers that were sent nothing."""

from __future__ import annotations

import pytest
from support.simulation import Simulation

from fastserver import ConfigError, Server
from fastserver.config.config import Config
from fastserver.config.listener import Role


def test_a_quiet_peer_gets_one_in_each_interval() -> None:
    simulation = Simulation(heartbeat=20.0, heartbeat_message="ping", message_timeout=None)
    _, quiet = simulation.connect()
    simulation.loop.advance(19.9)
    assert not quiet.sent
    simulation.loop.advance(5.2)
    assert bytes(quiet.sent) == b"ping\n"
    simulation.loop.advance(100.0)
    assert 4 <= bytes(quiet.sent).count(b"ping\n") - 1 <= 5


def test_who_is_sent_something_gets_none() -> None:
    simulation = Simulation(heartbeat=20.0, message_timeout=None)
    (sender, telling), (_, hearing) = simulation.connect(), simulation.connect()
    for _ in range(20):
        simulation.loop.advance(5.0)
        sender.data_received(b"news\n")
        simulation.loop.tick()
    assert bytes(hearing.sent) == b"news\n" * 20
    assert bytes(telling.sent).strip(b"\n") == b""
    assert len(telling.sent) >= 3  # to it nothing was sent


def test_who_does_not_hear_or_is_stuck_gets_none() -> None:
    simulation = Simulation(heartbeat=20.0, heartbeat_message="ping", message_timeout=None, log_messages=0)
    _, deaf = simulation.connect(role=Role.SEND)
    stuck, waiting = simulation.connect(0)
    simulation.loop.advance(26.0)
    assert stuck.figures().pending_messages == 1
    simulation.loop.advance(100.0)
    assert stuck.figures().pending_messages == 1
    waiting.give_room(1 << 40)
    assert bytes(waiting.sent) == b"ping\n"
    assert not deaf.sent


@pytest.mark.parametrize(
    ("mode", "text", "frame"),
    [
        ("lines", "", b"\n"),
        ("msgpack", "", b"\x00\x00\x00\x01\xc0"),
        ("msgpack", '{"a": 1}', b"\x00\x00\x00\x04\x81\xa1a\x01"),
        ("msgpack-stream", "[1]", b"\x91\x01"),
    ],
)
def test_the_message_is_of_the_mode(mode: str, text: str, frame: bytes) -> None:
    simulation = Simulation(mode=mode, heartbeat=4.0, heartbeat_message=text, message_timeout=None)
    _, quiet = simulation.connect()
    simulation.loop.advance(5.0)
    assert bytes(quiet.sent) == frame


@pytest.mark.parametrize(("mode", "text"), [("lines", "two\nlines"), ("msgpack", "{"), ("lines", "x" * 2_000_000)])
def test_what_is_no_message_is_refused(mode: str, text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--heartbeat-message: '.* is not allowed: .*; allowed is one message$"):
        Server(Config(mode=mode, heartbeat=1.0, heartbeat_message=text))


def test_books_balance() -> None:
    simulation = Simulation(heartbeat=4.0, message_timeout=None)
    peer, quiet = simulation.connect()
    simulation.loop.advance(60.0)
    figures = peer.figures()
    assert figures.offered_messages == figures.messages_out == len(quiet.sent)
