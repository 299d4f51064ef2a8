"""Exceptions that end a program end it in order."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from conftest import Run
from support.accepted import connected

from fastserver import Config, Message, Server

DEADLINE = 20


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 5.0, **settings}))


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
