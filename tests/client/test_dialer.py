"""The dialer of a client: a connection that is lost, or cannot be made, is made again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import Run
from support.small_server import Reader, Writer, echo, reset, small_server

from fastserver.client import dialer
from fastserver.client.client import connect


def test_a_lost_connection_is_made_again(run: Run) -> None:
    connections = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"hello %d\n" % connections)
        line = await reader.readline()
        writer.write(b"heard " + line)
        if connections == 2:
            reset(writer)

    async def main() -> None:
        async with small_server(serve) as address, connect(address, reconnect=True, first_delay=0.001) as client:
            seen = []
            async for message in client:
                seen.append(message.payload)
                if message.payload == b"hello 4":
                    break
                if message.payload.startswith(b"hello"):
                    await client.send(b"x")
        assert [line for line in seen if line.startswith(b"hello")] == [b"hello %d" % n for n in (1, 2, 3, 4)]
        assert b"heard x" in seen

    run(main())


def test_tries_until_the_server_is_there(run: Run, caplog: Any) -> None:

    async def main() -> None:
        async with small_server(echo) as address:
            pass
        client = connect(address, reconnect=True, first_delay=0.001, longest_delay=0.01)
        entering = asyncio.ensure_future(client.__aenter__())
        while len(caplog.messages) < 3:
            await asyncio.sleep(0)
        async with small_server(echo, int(address.rpartition(":")[2])):
            await entering
            await client.send(b"here")
            assert (await client.__anext__()).payload == b"here"
            await client.finish()
            assert [message async for message in client] == []
            await client.close()

    run(main())
    assert all("cannot connect to 127.0.0.1:" in text and "next try in" in text for text in caplog.messages)


def test_closing_while_there_is_no_connection(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        pass

    async def main() -> None:
        lost = asyncio.Event()
        options: dict[str, Any] = {"first_delay": 3600, "on_disconnect": lambda error: lost.set()}
        async with small_server(serve) as address, connect(address, reconnect=True, **options) as client:
            await lost.wait()
            sending = asyncio.ensure_future(client.send(b"x"))
            reading = asyncio.ensure_future(client.receive_batch())
            await asyncio.sleep(0)
            await client.close()
            assert await reading == []
            with pytest.raises(ConnectionError, match="closed"):
                await sending

    run(main())


def test_delays_grow_to_a_bound_and_spread(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(delay: float) -> None:
        slept.append(delay)
        if len(slept) == 12:
            raise ZeroDivisionError

    async def main() -> None:
        async with small_server(echo) as address:
            pass
        monkeypatch.setattr(dialer.asyncio, "sleep", sleep)
        with pytest.raises(ZeroDivisionError):
            async with connect(address, reconnect=True):
                pass

    run(main())
    bounds = [min(0.1 * 2**n, 30.0) for n in range(12)]
    assert all(bound / 2 <= delay <= bound for delay, bound in zip(slept, bounds, strict=True))
