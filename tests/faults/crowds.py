"""Peers in great numbers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from faults.fault import Culprit, Target, fault, repeated


@fault()
async def says_nothing(target: Target) -> AsyncIterator[None]:
    """Connects, reads, and says nothing."""
    loop = asyncio.get_running_loop()
    silent = []
    for _ in range(100):
        if isinstance(target.address, str):
            silent.append(await loop.create_unix_connection(asyncio.Protocol, target.address))
        else:
            silent.append(await loop.create_connection(asyncio.Protocol, *target.address))
    yield
    for transport, _ in silent:
        transport.abort()


@fault("eof", "reset")
async def connects_and_closes(target: Target) -> AsyncIterator[None]:
    """Connects and closes at once, ten times while the others get one message."""

    async def come_and_go() -> None:
        for _ in range(10):
            (await Culprit.connect(target)).close()

    async with repeated(target, come_and_go):
        yield


@fault("eof", "reset")
async def connects_sends_and_closes(target: Target) -> AsyncIterator[None]:
    """Connects, sends a message and closes at once."""

    async def come_and_go() -> None:
        for _ in range(10):
            culprit = await Culprit.connect(target)
            try:
                await culprit.send(target.frame(b"hello and good-bye"))
            finally:
                culprit.close()

    async with repeated(target, come_and_go):
        yield


@fault(many=True)
async def a_crowd(target: Target) -> AsyncIterator[None]:
    """Thousands connect, hear what is said, and are all gone at one stroke when the block ends."""
    async with crowd(target, target.members):
        yield


@fault(needs="descriptors")
async def takes_all_descriptors(target: Target) -> AsyncIterator[None]:
    """Connects more often than the server has descriptors."""
    async with crowd(target, target.descriptors + 100):
        yield


@asynccontextmanager
async def crowd(target: Target, members: int) -> AsyncIterator[None]:
    """A process that has connected that many times, and reads what they hear. The process is killed in the end."""
    assert not isinstance(target.address, str)
    host, port = target.address
    script = Path(__file__).with_name("crowd.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, host, str(port), str(members), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        told = await process.stdout.readline()
        assert told == b"connected\n", f"the crowd could not connect: {told!r}"
        yield
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
