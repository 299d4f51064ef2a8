"""Inboxes: the messages that wait for coroutine functions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import Any

import pytest
from conftest import Run
from support.steps import Steps

from fastserver import Client, CloseReason, Config, Message, Peer, Server


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 10.0, **settings}))


def connect(to: Server, **more: Any) -> Client:
    return Client(to.addresses[0], mode=to.config.mode, **more)


def test_async_handlers_come_one_after_another(run: Run) -> None:
    async def main() -> None:
        made, steps, go = server(), Steps(), asyncio.Event()

        @made.on_connect
        async def greet(peer: Peer) -> None:
            await go.wait()
            steps.note("connect")

        @made.on_message
        async def handle(message: Message) -> None:
            steps.note(("begin", message.payload))
            await asyncio.sleep(0)
            steps.note(("end", message.payload))

        @made.on_disconnect
        async def leave(peer: Peer, reason: CloseReason) -> None:
            await asyncio.sleep(0)
            steps.note(("disconnect", reason))

        async with made:
            async with connect(made) as client:
                await client.send(b"a")
                await client.send(b"b")
                while made.peers.totals().waiting_messages != 2:
                    await asyncio.sleep(0)
                assert steps.seen == []
                go.set()
                await steps.until(5)
                assert made.peers.totals().waiting_messages == 0
            next(iter(made.peers)).close()
            await steps.until(6)
        one = [("begin", b"a"), ("end", b"a"), ("begin", b"b"), ("end", b"b")]
        assert steps.seen == ["connect", *one, ("disconnect", CloseReason.KICKED)]

    run(main())


@pytest.mark.parametrize("connecting", [False, True])
def test_a_plain_handler_waits_for_an_async_one_before_it(run: Run, connecting: bool) -> None:
    async def main() -> None:
        made, steps = server(), Steps()

        async def greet(peer: Peer, name: str) -> None:
            await asyncio.sleep(0)
            steps.note(name)

        made.on_connect(partial(greet, name="connect") if connecting else lambda peer: steps.note("connect"))
        made.on_message(lambda message: steps.note(message.payload))
        async with made, connect(made) as client:
            await client.send(b"a")
            assert await steps.until(2) == ["connect", b"a"]

    run(main())


def test_a_peer_whose_handler_falls_behind_is_read_no_further(run: Run) -> None:
    async def main() -> None:
        made, go, handled = server(max_waiting=10_000), asyncio.Event(), 0

        @made.on_message
        async def slow(message: Message) -> None:
            nonlocal handled
            await go.wait()
            handled += 1

        async with made:
            slow_client, other = connect(made), connect(made)
            async with slow_client, other:
                payload = b"x" * 999
                sending = asyncio.ensure_future(_send_all(slow_client, payload, 20_000))
                await asyncio.sleep(0)
                peer = next(iter(made.peers))
                while peer.inbox is None or not peer.inbox.full:
                    await asyncio.sleep(0)
                for _ in range(100):  # whatever happens now, no more is read
                    await asyncio.sleep(0)
                    assert peer.figures().waiting_bytes <= 10_000 + 256_000
                assert not sending.done()
                go.set()
                await sending
                while handled < 20_000:
                    await asyncio.sleep(0)
                assert peer.figures().waiting_bytes == peer.figures().waiting_messages == 0

    run(main())


async def _send_all(client: Client, payload: bytes, times: int) -> None:
    for _ in range(times):
        await client.send(payload)


@pytest.mark.parametrize("kind", ["plain", "async", "plain list", "async list"])
def test_a_peer_with_much_to_handle_lets_others_have_their_turn(run: Run, kind: str) -> None:
    async def main() -> None:
        made, handled, steps = server(handler_errors="keep"), 0, Steps()

        def work(message: Message) -> None:
            nonlocal handled
            if message.payload == b"other":
                steps.note(handled)
            else:
                handled += 1
                until = perf_counter() + 0.0001
                while perf_counter() < until:
                    pass

        async def work_async(message: Message) -> None:
            work(message)

        def work_all(messages: Sequence[Message]) -> None:
            for message in messages:
                work(message)

        async def work_all_async(messages: Sequence[Message]) -> None:
            work_all(messages)

        if "list" in kind:
            made.on_messages(work_all if kind == "plain list" else work_all_async)
        else:
            made.on_message(work if kind == "plain" else work_async)
        made.on_disconnect(lambda peer, reason: steps.note("left"))
        async with made, connect(made) as busy, connect(made) as other:
            while len(made.peers) < 2:
                await asyncio.sleep(0)
            await busy.send_frames(b"\n" * 5_000)
            while not handled:
                await asyncio.sleep(0)
            await other.send(b"other")
            [before] = await steps.until(1)
            assert before < 5_000  # its turn came in between
            made.everyone.peers[0].abort(CloseReason.RESET)
            assert await steps.until(2) == [before, "left"]
            assert handled == 5_000  # all it sent before is handled, and only then has it left

    run(main())


def test_what_was_heard_before_the_stop_is_handled(run: Run) -> None:
    async def main() -> None:
        made, go, steps = server(), asyncio.Event(), Steps()

        @made.on_message
        async def reply(message: Message) -> None:
            await go.wait()
            message.peer.send(b"reply to " + message.payload)

        @made.on_disconnect
        async def leave(peer: Peer, reason: CloseReason) -> None:
            steps.note(reason)

        await made.start()
        async with connect(made) as client:
            await client.send(b"a")
            await client.send(b"b")
            while made.peers.totals().waiting_messages < 2:
                await asyncio.sleep(0)
            stopping = asyncio.ensure_future(made.stop())
            await asyncio.sleep(0)
            go.set()
            assert [message.payload async for message in client] == [b"reply to a", b"reply to b"]
        await stopping
        assert steps.seen == [CloseReason.SHUTDOWN]

    run(main())


def test_a_handler_that_never_ends_does_not_hold_up_the_stop(run: Run) -> None:
    async def main() -> None:
        made = server(drain_timeout=0.0)

        @made.on_message
        async def forever(message: Message) -> None:
            await asyncio.Event().wait()

        await made.start()
        client = connect(made)
        async with client:
            await client.send(b"a")
            while made.peers.totals().waiting_messages < 1:
                await asyncio.sleep(0)
            await made.stop()
        assert not made.handlers.inboxes

    run(main())
