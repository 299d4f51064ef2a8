"""Whatever a coroutine function raises, or is cancelled by, is one failure of that handler."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from conftest import Run
from support.accepted import connected
from support.steps import Steps

from fastserver import Client, CloseReason, Config, Message, Peer, Server


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 5.0, **settings}))


def connect(to: Server, **more: Any) -> Client:
    return Client(to.addresses[0], mode=to.config.mode, **more)


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


def test_an_async_error_closes_its_peer_only(run: Run) -> None:
    async def main() -> None:
        made, steps = server(), Steps()

        @made.on_message
        async def fail(message: Message) -> None:
            if message.payload == b"bad":
                raise ValueError("bad")
            message.broadcast()

        made.on_disconnect(lambda peer, reason: steps.note(reason))
        async with made, connect(made) as one, connect(made) as two, connect(made) as three:
            await one.send(b"bad")
            await one.send(b"never handled")
            assert [message async for message in one] == []
            await one.close()
            assert await steps.until(1) == [CloseReason.HANDLER_ERROR]
            await two.send(b"fine")
            assert (await anext(aiter(three))).payload == b"fine"

    run(main())
