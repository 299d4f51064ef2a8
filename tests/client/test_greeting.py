"""The functions that a client calls after connecting and disconnecting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import Run
from support.small_server import Reader, Writer, echo, reset, small_server

from fastserver.client.client import Client, connect


def test_what_on_connect_sends_goes_first_each_time(run: Run) -> None:
    """Before a send that waits. So does what tasks of `on_connect` send."""
    received: list[list[bytes]] = []
    came: list[Exception | None] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        lines = [await reader.readline() for _ in range(4)]
        received.append(lines)
        if len(received) < 3:
            reset(writer)

    async def login(client: Client) -> None:
        await client.send(b"login")
        await asyncio.sleep(0.001)  # asks for a password elsewhere
        await asyncio.gather(client.send(b"password"))

    async def main() -> None:
        async with small_server(serve) as address:
            client = connect(
                address, reconnect=True, on_connect=login, on_disconnect=came.append, first_delay=0.001, max_message=10
            )
            async with client:
                for number in range(3):
                    await client.send(b"first %d" % number)
                    await client.send(b"second")
                    while len(received) <= number or (number < 2 and len(came) <= number):
                        await asyncio.sleep(0)

    run(main())
    assert received == [[b"login\n", b"password\n", b"first %d\n" % number, b"second\n"] for number in range(3)]
    assert [type(error) for error in came] == [ConnectionResetError, ConnectionResetError, type(None)]


@pytest.mark.parametrize("reconnect", [False, True])
def test_on_connect_can_wait_for_an_answer(run: Run, reconnect: bool) -> None:
    async def login(client: Client) -> None:
        await client.send(b"login")
        assert (await client.receive()).payload == b"login"

    async def main() -> None:
        async with small_server(echo) as address, connect(address, on_connect=login, reconnect=reconnect) as client:
            await client.send(b"x")
            assert (await client.receive()).payload == b"x"

    run(main())


@pytest.mark.parametrize("reconnect", [False, True])
@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()], ids=["error", "cancelled"])
def test_on_connect_that_fails(run: Run, error: BaseException, reconnect: bool) -> None:
    """At first `async with` raises its error; later receiving and sending raise, and no call waits for ever."""
    expected = RuntimeError if isinstance(error, asyncio.CancelledError) else type(error)
    times = 0

    async def fail(client: Client) -> None:
        nonlocal times
        times += 1
        if times != 2:
            raise error

    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        reset(writer)

    async def main() -> None:
        async with small_server(serve) as address:
            with pytest.raises(expected):
                async with connect(address, on_connect=fail, reconnect=reconnect):
                    pytest.fail("entered")
            if reconnect:
                async with connect(address, on_connect=fail, reconnect=True, first_delay=0) as client:
                    await client.send(b"go")
                    with pytest.raises(expected):
                        await client.receive()
                    with pytest.raises(ConnectionError, match="cannot connect"):
                        await client.send(b"x")

    run(main())


def test_a_connection_that_is_lost_in_on_connect_is_made_again(run: Run) -> None:
    connections = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        if connections == 3:
            await echo(reader, writer)
        elif connections == 2:
            reset(writer)

    async def greet(client: Client) -> None:
        while True:
            await client.send(b"hello")
            await asyncio.sleep(0)
            if connections == 3:
                break

    async def main() -> None:
        async with small_server(serve) as address:
            async with connect(address, on_connect=greet, reconnect=True, first_delay=0) as client:
                assert (await client.receive()).payload == b"hello"
            connections_then = connections
            assert connections_then == 3

    run(main())


def test_closing_in_on_connect(run: Run) -> None:
    async def main() -> None:
        for reconnect in (False, True):
            async with small_server(echo) as address:
                client = connect(address, on_connect=Client.close, reconnect=reconnect)
                with pytest.raises(ConnectionError):
                    await client.__aenter__()

    run(main())


def test_on_disconnect_that_fails_is_logged(run: Run, caplog: Any) -> None:
    def fail(error: Exception | None) -> None:
        raise (ZeroDivisionError, asyncio.CancelledError)[len(caplog.messages)]

    async def main() -> None:
        async with small_server(echo) as address:
            for _ in range(2):
                async with connect(address, on_disconnect=fail) as client:
                    await client.send(b"x")

    run(main())
    assert caplog.messages == ["on_disconnect failed"] * 2
