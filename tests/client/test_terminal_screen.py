"""The terminal client on a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.small_server import Reader, echo, small_server
from support.terminal_client import Program, result, run


@asynccontextmanager
async def screen() -> AsyncIterator[tuple[int, int, Reader]]:
    """Both ends of a terminal, our own first, and what the program shows on it."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    attributes = termios.tcgetattr(theirs)
    attributes[3] |= termios.ICANON  # Ctrl-D is the end of input
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    before = termios.tcgetattr(theirs)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0, closefd=False)
    )
    try:
        yield ours, theirs, reader
        assert termios.tcgetattr(theirs) == before
    finally:
        transport.close()
        os.close(theirs)
        await asyncio.sleep(0)
        os.close(ours)


@pytest.mark.parametrize(
    ("mode", "typed", "shown"),
    [
        ("lines", b"a\tb\x1b[2J \xe2\x80\xae\xff \xc3\xbc", rb"a\x09b\x1b[2J \u202e\xff " + b"\xc3\xbc"),
        ("msgpack", rb'"\u001b[2J\u202e"', rb'"\u001b[2J\u202e"'),
    ],
)
def test_nothing_received_acts_on_the_terminal(program: Program, mode: str, typed: bytes, shown: bytes) -> None:
    async def main() -> None:
        async with (
            screen() as (ours, theirs, reader),
            small_server(echo) as address,
            program(address, mode, stdin=theirs, stdout=theirs) as process,
        ):
            os.write(ours, typed + b"\n")
            assert await reader.readline() == shown + b"\n"
            os.write(ours, b"\x04")
            code, _, errors = await result(process)
            assert (code, errors) == (0, "")

    run(main())
