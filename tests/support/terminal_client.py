"""The terminal client as a process: under either event loop, or as the command that a shell starts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import fastserver

PIPE = asyncio.subprocess.PIPE
DEVNULL = asyncio.subprocess.DEVNULL
FOR_EVER = float("inf")

PROGRAM = """
import asyncio, sys, uvloop
from math import inf
from fastserver.client.terminal import terminal
sys.exit({run}(terminal({address!r}, {mode!r}, {max_message!r}, {wait!r})))
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(fastserver.__file__).parents[1])}

Process = asyncio.subprocess.Process
Program = Callable[..., AbstractAsyncContextManager[Process]]
"""Starts the terminal client: `terminal_client` with the event loop filled in."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs the coroutine of a test."""
    asyncio.run(asyncio.wait_for(main, 40))


@asynccontextmanager
async def terminal_client(
    loop_runner: str,
    address: str,
    mode: str = "lines",
    *,
    wait: float | None = None,
    max_message: int = 1 << 20,
    stdin: Any = PIPE,
    stdout: Any = PIPE,
) -> AsyncIterator[Process]:
    """A process that runs the terminal client by `loop_runner`, such as `asyncio.run`."""
    text = PROGRAM.format(run=loop_runner, address=address, mode=mode, max_message=max_message, wait=wait)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", text, stdin=stdin, stdout=stdout, stderr=PIPE, env=ENVIRONMENT, limit=1 << 26
    )
    async with _to_the_end(process):
        yield process


@asynccontextmanager
async def command(address: str, redirected: str) -> AsyncIterator[Process]:
    """The command itself, as a shell starts it, with these redirections and options."""
    shell = f'exec "$0" -m fastserver connect {address} {redirected}'
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", shell, sys.executable, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=ENVIRONMENT
    )
    async with _to_the_end(process):
        yield process


@asynccontextmanager
async def _to_the_end(process: Process) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def result(process: Process, given: bytes | None = None) -> tuple[int, bytes, str]:
    """Exit code, output and errors of `process`, which gets `given` and then the end of its input."""
    output, errors = await process.communicate(given)
    assert process.returncode is not None
    return process.returncode, output or b"", errors.decode()
