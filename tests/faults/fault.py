"""A fault: something that goes wrong with peers, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from faults.wire import frame
from faults.witnesses import Address

SMALL = 4096
"""Bytes of receive buffer where the kernel is to take little for a peer that reads nothing."""

SEGMENT = 536
"""Bytes of a TCP segment to that end: the send buffer of the other side is a multiple of it."""


async def _no_time() -> None:
    raise AssertionError("nobody said what time is measured by")


@dataclass
class Target:
    """The server that a fault goes at. `progress` returns when some time has gone by for those that are healthy."""

    address: Address
    progress: Callable[[], Awaitable[None]] = _no_time
    mode: str = "lines"
    members: int = 15_000
    """Peers of a crowd."""
    descriptors: int = 0
    """How many the server may have; 0: not known."""
    host: str = ""
    """The network namespace of a host that can be cut off; "": there is none."""
    random: Random = field(default_factory=lambda: Random(1))

    def frame(self, payload: bytes) -> bytes:
        """`payload` as a message."""
        return frame(self.mode, payload)


Course = Callable[[Target], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """A fault. Its peers end for one of the reasons `ends`, some within the block; if there are none, they stay."""

    name: str
    course: Course
    ends: tuple[str, ...]
    modes: tuple[str, ...]
    many: bool
    """The fault brings thousands of peers."""
    needs: str
    """The fault is one only where this field of `Target` is known."""
    limits: Mapping[str, Any]
    """The settings by which the server protects the others from it, if these are not the usual ones."""

    def settings(self, **more: Any) -> dict[str, Any]:
        """Settings of a server that it is to go at: a peer is soon too far behind only if that is what happens."""
        soon = {"max_pending": 256 * 1024} if "slow_consumer" in self.ends else {}
        return soon | dict(self.limits) | more


FAULTS: dict[str, Fault] = {}
"""All there are, by name: those of the modules that were imported."""


def fault(
    *ends: str, modes: tuple[str, ...] = ("lines",), many: bool = False, needs: str = "", **limits: Any
) -> Callable[[Callable[[Target], AsyncIterator[None]]], Course]:
    """Adds a fault: a generator that yields once, while the fault goes on."""

    def add(generator: Callable[[Target], AsyncIterator[None]]) -> Course:
        course = asynccontextmanager(generator)
        FAULTS[generator.__name__] = Fault(generator.__name__, course, ends, modes, many, needs, limits)
        return course

    return add


class Culprit:
    """A connection that a fault has."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, target: Target, small: bool = False) -> Culprit:
        """Connected; `small`: the kernel takes little for it that it has not read."""
        unix = isinstance(target.address, str)
        connection = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        if small:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        if not unix:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if small:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        culprit = cls(connection)
        try:
            await culprit._loop.sock_connect(connection, target.address)
        except BaseException:
            connection.close()
            raise
        return culprit

    @property
    def gone(self) -> bool:
        """Whether the server has cut it off."""
        poll = select.poll()
        poll.register(self.socket, 0)
        return bool(poll.poll(0))

    async def send(self, data: bytes) -> None:
        """Send all of `data`. Raises `ConnectionError` if it was cut off."""
        await self._loop.sock_sendall(self.socket, data)

    async def read(self, size: int) -> bytes:
        """At most that many bytes. Raises `ConnectionError` if it was cut off."""
        return await self._loop.sock_recv(self.socket, size)

    async def read_to_end(self) -> int:
        """Bytes it still received up to the end of the stream, or to a reset."""
        size = 0
        with suppress(ConnectionError):
            while chunk := await self.read(65536):
                size += len(chunk)
        return size

    def reset(self) -> None:
        """End it with a reset."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close it both ways."""
        self.socket.close()


@asynccontextmanager
async def repeated(target: Target, act: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Have `act` done once, and then again and again as time goes by, until the block ends."""

    async def again() -> None:
        while True:
            await target.progress()
            with suppress(ConnectionError):  # the server cut it off, or listens no more
                await act()

    with suppress(ConnectionError):
        await act()
    task = asyncio.ensure_future(again())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def renewed(target: Target, act: Callable[[Culprit], Awaitable[object]]) -> AsyncIterator[None]:
    """Have `act` done again and again with a culprit for which the kernel takes little; it gives nothing at the end of
    the culprit's stream. Another takes its place when it is cut off.
    """
    culprit = await Culprit.connect(target, small=True)

    async def act_once() -> None:
        nonlocal culprit
        try:
            going_on = await act(culprit)
        except ConnectionError:
            going_on = None
        if not going_on:
            culprit.close()
            culprit = await Culprit.connect(target, small=True)

    try:
        async with repeated(target, act_once):
            yield
    finally:
        culprit.close()
