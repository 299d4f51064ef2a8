"""Backpressure, both ways: whoever does not read makes the other wait."""

from __future__ import annotations

import asyncio

from conftest import Run
from support.small_server import Reader, Writer, small_server

from fastserver.client.client import connect


def test_a_program_that_does_not_receive_stops_the_server_and_loses_nothing(run: Run) -> None:
    number = 200_000

    async def main() -> None:
        stuck = asyncio.Event()

        async def serve(reader: Reader, writer: Writer) -> None:
            for first in range(0, number, 1000):
                writer.write(b"".join(b"%0100d\n" % n for n in range(first, first + 1000)))
                draining = asyncio.ensure_future(writer.drain())
                await asyncio.sleep(0)
                if not draining.done():
                    stuck.set()
                await draining

        async with small_server(serve) as address, connect(address, max_queue=10_000) as client:
            await stuck.wait()
            assert client._conversation.incoming.bytes < 1 << 20
            received = [int(message.payload) async for message in client]
            assert received == list(range(number))

    run(main())


def test_sending_waits_for_a_server_that_does_not_read_and_cancelled_sends_nothing(run: Run) -> None:
    received = bytearray()
    line = b"x" * 100_000

    async def main() -> None:
        go = asyncio.Event()

        async def serve(reader: Reader, writer: Writer) -> None:
            await go.wait()
            while data := await reader.read(1 << 20):
                received.extend(data)

        async with small_server(serve, limit=1) as address:
            sent = 0
            async with connect(address) as client:
                connection = client._conversation.connection
                assert connection is not None
                while True:
                    while connection.writable.is_set():
                        await client.send(line)
                        sent += 1
                    sending = asyncio.ensure_future(client.send(line))
                    await asyncio.sleep(0)
                    if not sending.done():  # else the system took some more just then
                        break
                    sent += 1
                sending.cancel()
                await asyncio.wait([sending])
                assert sending.cancelled()
                go.set()
                await client.send(b"end")
        assert bytes(received) == (line + b"\n") * sent + b"end\n"

    run(main())


def test_a_task_that_only_sends_lets_others_run(run: Run) -> None:
    async def main() -> None:
        others = 0

        async def other() -> None:
            nonlocal others
            while True:
                others += 1
                await asyncio.sleep(0)

        async def serve(reader: Reader, writer: Writer) -> None:
            while await reader.read(1 << 20):
                pass

        async with small_server(serve) as address, connect(address) as client:
            task = asyncio.ensure_future(other())
            for _ in range(100):
                await client.send(b"x" * 8000)
            assert others > 1
            task.cancel()

    run(main())
