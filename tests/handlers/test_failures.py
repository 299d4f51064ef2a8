"""Whatever a handler raises is one failure of that handler; what ends a program ends it in order."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop
from conftest import Run
from support.simulation import Simulation

from fastserver import CloseReason, Config, Message, Peer, Server
from fastserver.log.console import JsonFormatter, TextFormatter

DEADLINE = 20


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 5.0, **settings}))


@asynccontextmanager
async def connected(to: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    before = to.peers.accepted
    reader, writer = await asyncio.open_connection("127.0.0.1", int(to.addresses[0].rpartition(":")[2]))
    while to.peers.accepted == before:
        await asyncio.sleep(0)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


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


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_cancelled_error_of_the_last_to_leave_does_not_hold_up_the_stop(run: Run, kind: str) -> None:
    async def main() -> None:
        made = server()

        def fail(peer: Peer, reason: CloseReason) -> None:
            raise asyncio.CancelledError

        async def fail_later(peer: Peer, reason: CloseReason) -> None:
            await asyncio.sleep(0)
            raise asyncio.CancelledError

        made.on_disconnect(fail if kind == "plain" else fail_later)
        await made.start()
        async with connected(made) as (reader, writer):
            stopping = asyncio.ensure_future(made.stop())
            assert await reader.read() == b""
            writer.close()
            await stopping
        assert made.handler_failures == 1

    run(main())


@pytest.mark.parametrize("policy", ["close", "keep"])
@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, KeyError])
def test_an_awaited_query_that_was_cancelled(run: Run, policy: str, error: type[BaseException]) -> None:
    async def main() -> None:
        made = server(handler_errors=policy)
        left = asyncio.Event()

        @made.on_message
        async def query(message: Message) -> None:
            answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            if message.payload == b"bad" and error is asyncio.CancelledError:
                answer.cancel()
            elif message.payload == b"bad":
                answer.set_exception(error())
            else:
                answer.set_result(message.payload)
            message.peer.send(await answer)

        @made.on_disconnect
        async def leave(peer: Peer, reason: CloseReason) -> None:
            left.set()

        async with made, connected(made) as (reader, writer):
            writer.write(b"bad\ngood\n")
            if policy == "keep":
                assert await reader.readline() == b"good\n"
            else:
                assert await reader.read() == b""
            writer.close()
            await left.wait() if policy == "close" else None
            assert made.handler_failures == 1

    run(main())


def test_a_handler_that_swallows_its_cancellation_does_not_hold_up_the_stop(run: Run) -> None:
    async def main() -> None:
        made = server(drain_timeout=0.0)
        begun, end = asyncio.Event(), asyncio.Event()

        @made.on_message
        async def stubborn(message: Message) -> None:
            begun.set()
            while not end.is_set():
                with suppress(asyncio.CancelledError):
                    await end.wait()

        await made.start()
        async with connected(made) as (_, writer):
            writer.write(b"go\n")
            await begun.wait()
            await made.stop()
            assert made.drain.over
            end.set()

    run(main())


def test_leaving_is_handled_although_time_is_up(run: Run) -> None:
    """The disconnect handler comes once after the last message, whatever became of that."""

    async def main() -> None:
        made = server(drain_timeout=0.0)
        begun = asyncio.Event()
        left: list[CloseReason] = []

        @made.on_message
        async def forever(message: Message) -> None:
            begun.set()
            await asyncio.Event().wait()

        @made.on_disconnect
        async def leave(peer: Peer, reason: CloseReason) -> None:
            await asyncio.sleep(0)
            left.append(reason)

        await made.start()
        async with connected(made) as (_, writer):
            writer.write(b"one\ntwo\n")
            await begun.wait()
            await made.stop()
        assert left == [CloseReason.SHUTDOWN]

    run(main())


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


@pytest.mark.parametrize("message_too", [False, True])
def test_asynchronous_error_handlers_are_told(run: Run, message_too: bool) -> None:
    async def main() -> None:
        made, told = server(), asyncio.Event()

        def fail(message: Message) -> None:
            raise ValueError("bad")

        async def fail_later(message: Message) -> None:
            raise ValueError("bad")

        made.on_message(fail_later if message_too else fail)

        @made.on_error
        async def tell(peer: Peer, error: BaseException) -> None:
            await asyncio.sleep(0)
            assert isinstance(error, ValueError)
            told.set()

        async with made, connected(made) as (reader, writer):
            writer.write(b"x\n")
            assert await reader.read() == b""
            writer.close()
            await told.wait()

    run(main())


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


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=["exit", "interrupt"])
@pytest.mark.parametrize("event", ["connect", "message", "messages", "disconnect", "error"])
@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("loop", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_what_ends_a_program_ends_it_in_order(
    error: BaseException, event: str, kind: str, loop: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """All others are told goodbye before it leaves `serve`."""
    made, seen = server(), bytearray()

    def end(*_: object) -> None:
        raise error

    async def end_later(*_: object) -> None:
        await asyncio.sleep(0)
        raise error

    if event == "error":
        made.on_message(lambda message: 1 / 0)
    getattr(made, f"on_{event}")(end if kind == "plain" else end_later)

    def client(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as mine:
            mine.sendall(b"x\n")
            if event == "disconnect":
                mine.shutdown(socket.SHUT_WR)
            while data := mine.recv(1000):
                seen.extend(data)
            seen.extend(b"end")

    async def main() -> None:
        serving = asyncio.ensure_future(made.serve())
        while not made.addresses:
            await asyncio.sleep(0)
        thread = threading.Thread(target=client, args=(int(made.addresses[0].rpartition(":")[2]),))
        thread.start()
        try:
            await serving
        finally:
            thread.join()

    if event == "disconnect":
        made = server(half_close_timeout=0.0)
        made.on_disconnect(end if kind == "plain" else end_later)
    with pytest.raises(type(error)) as caught:
        loop(main())
    assert caught.value.args == error.args
    assert bytes(seen) == b"end"
    assert not made.peers
    assert made.drain.over


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_sys_exit_ends_a_program_of_its_own(run: Run, kind: str) -> None:
    """Nobody waits for the server there: it leaves the loop once the server has stopped."""

    async def main() -> None:
        async with server() as made:

            def end(message: Message) -> None:
                sys.exit(4)

            async def end_later(message: Message) -> None:
                sys.exit(4)

            made.handlers.frozen = False
            made.on_message(end if kind == "plain" else end_later)
            async with connected(made) as (reader, writer):
                writer.write(b"x\n")
                assert await reader.read() == b""
                writer.close()
                await asyncio.Event().wait()

    with pytest.raises(SystemExit) as caught:
        run(main())
    assert caught.value.code == 4
