"""Whatever a handler raises is one failure of that handler; what ends a program ends it in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest
from support.simulation import Simulation

from fastserver import CloseReason, Message, Peer
from fastserver.log.console import JsonFormatter, TextFormatter

RAISED = [asyncio.CancelledError, GeneratorExit, ValueError, BaseException]


@pytest.mark.parametrize("error", RAISED)
@pytest.mark.parametrize("policy", ["close", "keep"])
@pytest.mark.parametrize("several", [False, True])
def test_a_plain_message_handler(
    error: type[BaseException], policy: str, several: bool, caplog: pytest.LogCaptureFixture
) -> None:
    simulation = Simulation(handler_errors=policy)
    handled: list[bytes] = []

    def fail(message: Message) -> None:
        handled.append(message.payload)
        raise error("no")

    if several:
        simulation.server.on_messages(lambda messages: fail(messages[0]))
    else:
        simulation.server.on_message(fail)
    peer, _ = simulation.connect()
    peer.data_received(b"one\n")
    peer.data_received(b"two\n")
    assert handled == ([b"one"] if policy == "close" else [b"one", b"two"])
    assert peer.reason is (CloseReason.HANDLER_ERROR if policy == "close" else None)
    assert simulation.server.handler_failures == len(handled)
    record = caplog.records[-1]
    assert record.exc_info is not None
    assert record.exc_info[0] is error


@pytest.mark.parametrize("error", RAISED)
def test_plain_handlers_of_connecting_and_leaving(error: type[BaseException]) -> None:
    simulation = Simulation(handler_errors="keep")
    called: list[str] = []

    def fail(what: str) -> None:
        called.append(what)
        raise error("no")

    simulation.server.on_connect(lambda peer: fail("connect"))
    simulation.server.on_connect(lambda peer: called.append("second"))
    simulation.server.on_disconnect(lambda peer, reason: fail("disconnect"))
    simulation.server.on_disconnect(lambda peer, reason: called.append("second"))
    peer, transport = simulation.connect()
    assert peer.reason is None
    transport.reset()
    simulation.loop.tick()
    assert called == ["connect", "second", "disconnect", "second"]
    assert len(simulation.server.peers) == 0
    assert simulation.server.handler_failures == 2


def test_error_handlers_are_told(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation()
    told: list[tuple[int, str]] = []

    @simulation.server.on_message
    def fail(message: Message) -> None:
        raise ValueError("bad")

    @simulation.server.on_error
    def fail_too(peer: Peer, error: BaseException) -> None:
        told.append((peer.id, repr(error)))
        raise RuntimeError("worse")

    simulation.server.on_error(lambda peer, error: told.append((peer.id, "second")))
    peer, _ = simulation.connect()
    peer.data_received(b"x\n")
    assert told == [(1, "ValueError('bad')"), (1, "second")]
    assert "error handler failed for peer 1 127.0.0.1:40001: RuntimeError: worse" in caplog.text


def test_the_traceback_is_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation()

    @simulation.server.on_message
    def fail(message: Message) -> None:
        raise ValueError("bad \x1b[2J\n2026-11-22 12:00:00.000 INFO all is well")

    peer, _ = simulation.connect()
    with caplog.at_level(logging.ERROR, "fastserver"):
        peer.data_received(b"x\n")
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    text = TextFormatter().format(record)
    assert text.count("Traceback") == 1
    assert "\x1b" not in text
    assert not any(line.startswith("2026-11-22 12:00") for line in text.splitlines())
    assert JsonFormatter().format(record).count("Traceback") == 1


@pytest.mark.parametrize("policy", ["close", "keep"])
@pytest.mark.parametrize("several", [False, True])
def test_an_error_in_a_handler_concerns_its_peer_only(
    policy: str, several: bool, caplog: pytest.LogCaptureFixture
) -> None:
    simulation = Simulation(handler_errors=policy)
    handled: list[bytes] = []

    def fail(message: Message) -> None:
        handled.append(message.payload)
        if message.payload.startswith(b"bad"):
            raise ValueError(message.payload.decode())

    def fail_several(messages: Sequence[Message]) -> None:
        for message in messages:
            fail(message)

    if several:
        simulation.server.on_messages(fail_several)
    else:
        simulation.server.on_message(fail)
    (one, _), (two, _) = simulation.connect(), simulation.connect()
    with caplog.at_level(logging.ERROR, "fastserver"):
        one.data_received(b"good\nbad \x1b[2J\nnext\n")
    two.data_received(b"fine\n")
    assert simulation.server.handler_failures == 1
    assert "handler failed for peer 1 127.0.0.1:40001" in caplog.text
    assert "ValueError: bad \\x1b[2J" in caplog.text
    assert (one.reason, two.reason) == (CloseReason.HANDLER_ERROR if policy == "close" else None, None)
    rest = [b"next"] if policy == "keep" and not several else []
    assert handled == [b"good", b"bad \x1b[2J", *rest, b"fine"]


def test_errors_when_connecting_and_leaving() -> None:
    simulation = Simulation()
    left: list[int] = []

    def fail(peer: Peer) -> None:
        raise RuntimeError("not you")

    def leave(peer: Peer, reason: CloseReason) -> None:
        left.append(peer.id)
        raise RuntimeError("leaving, too")

    simulation.server.on_connect(fail)
    simulation.server.on_disconnect(leave)
    peer, transport = simulation.connect()
    assert peer.reason == CloseReason.HANDLER_ERROR
    transport.reset()
    simulation.loop.tick()
    assert left == [1]
    assert simulation.server.handler_failures == 2


def test_a_generator_given_back_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation()
    simulation.server.on_message(lambda message: (number for number in range(3)))
    peer, _ = simulation.connect()
    peer.data_received(b"one\n")
    assert "gave back a generator" in caplog.text
    assert peer.reason == CloseReason.HANDLER_ERROR


def test_a_handler_that_forgot_to_say_it_is_async_fails_loudly(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation()

    async def work(message: Message) -> None:
        raise AssertionError("never runs")

    simulation.server.on_message(lambda message: work(message))
    peer, _ = simulation.connect()
    with caplog.at_level(logging.ERROR, "fastserver"):
        peer.data_received(b"one\n")
    assert "is no coroutine function, but what it gave back has to be awaited" in caplog.text
    assert peer.reason == CloseReason.HANDLER_ERROR
