"""The life of a client: entered once, in one event loop, and closed at any time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest
from conftest import Run
from support.both_ends import both_ends, read_to_end
from support.small_server import Reader, Writer, echo, reset, small_server

from fastserver import Config, Server
from fastserver.client.client import Client, connect


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address:
            pass
        with pytest.raises(ConnectionRefusedError):
            async with connect(address):
                pytest.fail("connected")

    run(main())


def test_cancelled_while_connecting(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address:
            client = connect(address, reconnect=True)
            entering = asyncio.ensure_future(client.__aenter__())
            while client._conversation.connection is None:
                await asyncio.sleep(0)
            entering.cancel()
            await asyncio.wait([entering])
            assert entering.cancelled()
            with pytest.raises(RuntimeError, match="make another"):
                await client.__aenter__()

    run(main())


def test_only_a_connected_client_sends_and_receives(run: Run) -> None:
    async def main() -> None:
        client = connect("127.0.0.1:3000")
        for step in (client.send(b"x"), client.receive(), client.receive_batch(), client.__anext__(), client.finish()):
            with pytest.raises(ConnectionError, match="async with"):
                await step
        await client.close()
        with pytest.raises(RuntimeError, match="make another"):
            await client.__aenter__()

    run(main())


def test_entering_twice(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address:
            client = connect(address)
            entering = [asyncio.ensure_future(client.__aenter__()) for _ in range(2)]
            await asyncio.wait(entering)
            assert entering[0].result() is client
            assert isinstance(entering[1].exception(), RuntimeError)
            with pytest.raises(RuntimeError, match="make another"):
                await client.__aenter__()
            await client.send(b"still there")
            assert (await client.receive()).payload == b"still there"
            await client.close()

    run(main())


@pytest.mark.parametrize("reconnect", [False, True])
def test_closing_while_it_connects_for_the_first_time(run: Run, reconnect: bool) -> None:
    """A server is silent where TLS should begin, or is not there."""

    async def silent(reader: Reader, writer: Writer) -> None:
        await reader.read()

    async def main() -> None:
        async with small_server(silent) as address:
            client = connect(address, ssl=ssl.create_default_context(), reconnect=reconnect)
            await close_while_entering(client)
        if reconnect:
            await close_while_entering(connect(address, reconnect=True, first_delay=3600))

    async def close_while_entering(client: Client) -> None:
        entering = asyncio.ensure_future(client.__aenter__())
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(ConnectionError, match="the client was closed"):
            await entering
        with pytest.raises(ConnectionError, match="the client was closed"):
            await client.send(b"x")

    run(main())


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python has them from 3.12 on")
def test_eager_tasks() -> None:
    connections = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        writer.write(await reader.readline())
        if connections < 3:
            reset(writer)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        async with small_server(serve) as address:
            options: dict[str, Any] = {"reconnect": True, "first_delay": 0, "on_connect": lambda it: it.send(b"hello")}
            async with connect(address, **options) as client:
                while connections < 3:
                    await asyncio.sleep(0)
                while (await client.receive()).payload != b"hello":
                    pass

    asyncio.run(asyncio.wait_for(main(), 30))  # uvloop has none yet on Python 3.13


def test_another_event_loop(run: Run) -> None:
    """A call in another event loop, such as one in another thread, raises, and the client goes on."""

    async def main() -> None:
        async with small_server(echo) as address, connect(address) as client:
            for step in (client.send, client.send_packed, client.send_frames):
                with pytest.raises(RuntimeError, match="outside of the event loop"):
                    await asyncio.to_thread(asyncio.run, step(b"x\n"[: 2 if step == client.send_frames else 1]))
            for other in (client.receive, client.receive_batch, client.finish, client.close):
                with pytest.raises(RuntimeError, match="outside of the event loop"):
                    await asyncio.to_thread(asyncio.run, other())  # type: ignore[operator]
            await client.send(b"still there")
            assert (await client.receive()).payload == b"still there"

    run(main())


def test_a_server_that_stops_first_and_tasks_that_are_cancelled_then(run: Run) -> None:
    async def main() -> None:
        async def talk(address: str) -> None:
            while True:
                try:
                    async with connect(address) as client:
                        await client.send(b"x")
                        async for _ in client:
                            pass
                except ConnectionError:
                    await asyncio.sleep(0)

        server = Server(Config(port=0))
        await server.start()
        tasks = [asyncio.ensure_future(talk(server.addresses[0])) for _ in range(10)]
        while len(server.peers) < 10:
            await asyncio.sleep(0)
        await server.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)

    run(main())


def test_a_program_that_cancels_all_tasks(run: Run) -> None:
    """The tasks of its clients too: they end, with an error, and closing still delivers what was sent."""

    async def cancel_others() -> None:
        for task in asyncio.all_tasks() - kept - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def main() -> None:
        nonlocal kept
        kept = asyncio.all_tasks()
        lost = asyncio.Event()
        options: dict[str, Any] = {"first_delay": 3600, "on_disconnect": lambda error: lost.set()}
        async with both_ends(reconnect=True, **options) as (client, theirs):
            theirs.close()
            await lost.wait()
            await cancel_others()
            for step in (client.receive(), client.send(b"x")):
                with pytest.raises(ConnectionError, match="cancelled"):
                    await step
        async with both_ends() as (client, theirs):
            await client.send(b"x")
            theirs.shutdown(socket.SHUT_WR)
            assert await client.receive_batch() == []
            await cancel_others()
            await client.close()
            assert read_to_end(theirs) == b"x\n"
        async with both_ends() as (client, theirs):
            await client.send(b"x")
            closing = asyncio.ensure_future(client.close(linger=3600))
            kept.add(closing)
            await asyncio.sleep(0)
            await cancel_others()
            assert await asyncio.to_thread(read_to_end, theirs) == b"x\n"
            theirs.close()
            await closing

    kept: set[asyncio.Task[Any]] = set()
    run(main())
