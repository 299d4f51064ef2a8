"""Listening to a channel within the server's own process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

import pytest
from conftest import Run

from fastserver import Config, FastserverError, Server

LOW = 64 * 1024
"""The least `max_pending`, bytes, and what the pipe holds."""


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 0.0, "half_close_timeout": 0.0, **settings}))


def test_it_hears_what_peers_of_the_channel_hear(run: Run) -> None:
    async def main() -> None:
        async with server() as made:
            everyone, room = made.everyone.listen(), made.channel("room").listen()
            _, writer = await asyncio.open_connection("127.0.0.1", int(made.addresses[0].rpartition(":")[2]))
            writer.write(b"one\r\ntwo\n")
            made.channel("room").broadcast(b"inside")
            first = await anext(everyone)
            assert (first.payload, first.frame, first.peer) == (b"one", b"one\r\n", None)
            assert (await anext(everyone)).payload == b"two"
            assert (await anext(room)).payload == b"inside"
            assert len(made.peers) == 1
            assert made.everyone.peers == list(made.peers)
            assert made.channel("room").peers == []
            waiting = asyncio.ensure_future(anext(room))
            await asyncio.sleep(0)
            made.channel("room").broadcast(b"later")
            assert (await waiting).payload == b"later"
            everyone.close()
            assert [message async for message in everyone] == []
            assert len(made.listening) == 2
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert len(made.listening) == 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    run(main())


def test_it_ends_with_the_server_after_all_that_was_said(run: Run) -> None:
    async def main() -> None:
        made = server(max_pending=64 * LOW)
        await made.start()
        made.everyone.broadcast(b"before")
        listening = made.everyone.listen()
        for number in range(1000):
            made.everyone.broadcast(b"%d %s" % (number, b"x" * 900))
        await made.stop()
        assert [int(message.payload.split()[0]) async for message in listening] == list(range(1000))
        figures = listening.figures()
        assert (figures.offered_messages, figures.messages_out, figures.dropped_messages) == (1000, 1000, 0)
        with pytest.raises(RuntimeError, match="the server is stopping"):
            made.everyone.listen()

    run(main())


@pytest.mark.parametrize("policy", ["disconnect", "drop-oldest", "drop-newest", "latest"])
def test_it_is_bounded_as_a_peer_is(run: Run, policy: str) -> None:
    async def main() -> None:
        async with server(max_pending=LOW, slow_consumer=policy) as made:
            listening, heard = made.everyone.listen(), 0
            for number in range(5000):
                made.everyone.broadcast(b"%d %s" % (number, b"x" * 90))
                if number % 100 == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert listening.figures().pending_bytes <= 2 * LOW
            if policy == "disconnect":
                with pytest.raises(FastserverError, match="listening to '' was closed: slow_consumer"):
                    await anext(listening)
            else:
                made.everyone.broadcast(b"9999 last")
                last = -1
                while last != 9999 and not (policy == "drop-newest" and heard and not listening._pipe._parts):
                    number = int((await anext(listening)).payload.split()[0])
                    assert number > last
                    last = number
                    heard += 1
                assert 0 < heard < 5000
            figures = listening.figures()
            assert figures.dropped_messages > 0
            assert (
                figures.offered_messages == figures.messages_out + figures.dropped_messages + figures.pending_messages
            )

    run(main())


def test_one_that_is_used_no_more_leaves(run: Run) -> None:
    async def main() -> None:
        async with server() as made:
            channel = made.channel("room")
            channel.broadcast(b"nobody hears it")

            async def take_one() -> bytes:
                async for message in channel.listen():
                    return message.payload
                return b""

            taking = asyncio.ensure_future(take_one())
            await asyncio.sleep(0)
            channel.broadcast(b"one")
            channel.broadcast(b"two")
            assert await taking == b"one"
            gc.collect()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not made.listening
            with channel.listen() as listening:
                assert len(made.listening) == 1
            assert [message async for message in listening] == []

    run(main())


def test_before_the_start_there_is_nothing_to_hear() -> None:
    with pytest.raises(RuntimeError, match="the server has not started"):
        server().everyone.listen()
