"""Log lines: capped per kind, and harmless on a terminal."""

from __future__ import annotations

import logging
from typing import Any, cast

import msgpack
import pytest
from support.simulation import Simulation

from fastserver.clock import Clock
from fastserver.framing import FRAMINGS
from fastserver.log.log import MAX_SHOWN, Log


@pytest.fixture(autouse=True)
def _level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "fastserver")


def messages(caplog: pytest.LogCaptureFixture, beginning: str = "") -> list[str]:
    return [text for text in caplog.messages if text.startswith(beginning)]


def test_each_message_is_shown_with_who_sent_it(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation()
    peer, _ = simulation.connect()
    peer.data_received(b"Hello, server!\r\nand\x1b[2J\n")
    assert messages(caplog, "Received") == [
        "Received message from 1 127.0.0.1:40001: Hello, server!",
        "Received message from 1 127.0.0.1:40001: and\\x1b[2J",
    ]


def test_a_library_shows_no_content_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fastserver")
    simulation = Simulation()
    (peer, _), (_, other) = simulation.connect(), simulation.connect()
    peer.data_received(b"a secret\n")
    simulation.loop.advance(2.0)
    assert bytes(other.sent) == b"a secret\n"
    assert "secret" not in caplog.text
    assert messages(caplog, "peer 1 127.0.0.1:40001 connected")


def test_no_more_lines_a_second_than_allowed_and_the_rest_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(log_messages=3)
    peer, _ = simulation.connect()
    for _ in range(10):
        peer.data_received(b"a line\n" * 5)
    assert len(messages(caplog, "Received")) == 3
    simulation.loop.advance(1.0)
    assert messages(caplog, "47 more") == ["47 more messages (329 bytes)"]
    peer.data_received(b"next second\n")
    assert len(messages(caplog, "Received")) == 4
    simulation.loop.advance(5.0)
    assert len(messages(caplog, "4")) == 1


def test_other_kinds_have_the_same_cap_each(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(log_messages=2)
    for _ in range(7):
        simulation.connect()[1].reset()
    simulation.loop.tick()
    assert len([text for text in caplog.messages if text.endswith(" connected")]) == 2
    assert len([text for text in caplog.messages if " disconnected: reset" in text]) == 2
    simulation.loop.advance(1.0)
    assert "5 more like this: peer … … connected" in caplog.messages


def test_nothing_is_decoded_when_no_line_is_wanted() -> None:
    log = Log(0, Clock())  # which has no timers
    log.messages(1, "127.0.0.1:1", cast(Any, None), b"whatever", 3)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", ""),
        (b"tab\there", "tab\\x09here"),
        ("snow ☃ is fine".encode(), "snow ☃ is fine"),
        ("\u202ertl\u2028line\u200b".encode(), "\\u202ertl\\u2028line\\u200b"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"\xc2\x9b31m", "\\u009b31m"),
        (b"x" * 200, "x" * 200),
        (b"x" * 201, "x" * 200 + "… (201 bytes)"),
        (("x" * 199 + "☃").encode(), "x" * 199 + "… (202 bytes)"),
    ],
)
def test_lines_are_shown_escaped_and_cut(payload: bytes, text: str) -> None:
    assert FRAMINGS["lines"].show(payload, MAX_SHOWN) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True]}, '{"a": [1, null, true]}'),
        ("bell\x07", '"bell\\u0007"'),
        ({1: "x"}, '{"1": "x"}'),
    ],
)
def test_msgpack_is_shown_as_json(value: object, text: str) -> None:
    assert FRAMINGS["msgpack"].show(msgpack.packb(value), MAX_SHOWN).replace(" ", "") == text.replace(" ", "")


def test_no_large_msgpack_is_decoded() -> None:
    payload = msgpack.packb("x" * 4094)
    assert FRAMINGS["msgpack"].show(payload, MAX_SHOWN) == f"msgpack, {len(payload)} bytes"
