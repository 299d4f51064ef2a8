"""A small server for the tests of clients."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from support.resets import reset_on_close

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@asynccontextmanager
async def small_server(
    serve: Callable[[Reader, Writer], Awaitable[None]], port: int = 0, **options: Any
) -> AsyncIterator[str]:
    """A server that calls `serve` for each connection, then closes it; gives its address."""
    running: set[asyncio.Task[None]] = set()

    async def accept(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await serve(reader, writer)
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            writer.transport.abort()
        finally:
            running.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", port, **options)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        if running:
            await asyncio.wait(running)


async def echo(reader: Reader, writer: Writer) -> None:
    """Sends everything back to the client's end of stream."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def reset(writer: Writer) -> None:
    """Ends the connection with a reset."""
    reset_on_close(writer.get_extra_info("socket"))
    writer.transport.abort()
