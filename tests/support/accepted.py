"""Connections that a server in this process has accepted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import ClassVar

from fastserver import Peer, Server


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition` holds."""
    while not condition():
        await asyncio.sleep(0)


def port_of(server: Server, listener: int = 0) -> int:
    """The port of one of its listeners."""
    return int(server.addresses[listener].rpartition(":")[2])


def peer_of(server: Server, number: int) -> Peer:
    """The peer that came after so many of those that are there."""
    return list(server.peers)[number]


class Client:
    """A connection to a server. The fixture `run` closes those that a test has left open."""

    opened: ClassVar[list[Client]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.opened.append(self)

    @classmethod
    async def open(cls, server: Server, host: str = "127.0.0.1", listener: int = 0) -> Client:
        """Connected."""
        address = server.addresses[listener]
        if address.startswith("unix:"):
            return cls(*await asyncio.open_unix_connection(address.removeprefix("unix:"), limit=1 << 30))
        return cls(*await asyncio.open_connection(host, port_of(server, listener), limit=1 << 30))

    @classmethod
    async def connect(cls, server: Server, host: str = "127.0.0.1", listener: int = 0) -> Client:
        """Connected, and known to the server as a peer."""
        before = server.peers.accepted
        client = await cls.open(server, host, listener)
        await until(lambda: server.peers.accepted > before)
        return client

    def stop_reading(self) -> None:
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_on(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, size: int) -> bytes:
        """The next `size` bytes."""
        return await self.reader.readexactly(size)

    async def say(self, text: bytes) -> bytes:
        """Say a line, and what is answered."""
        self.writer.write(text + b"\n")
        return (await self.reader.readline()).strip()

    async def end(self) -> bytes:
        """Everything up to the end of the stream."""
        return await self.reader.read()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        if self in self.opened:
            self.opened.remove(self)
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    @classmethod
    async def close_all(cls) -> None:
        """Close those that are still open."""
        while cls.opened:
            await cls.opened[-1].close()


@contextlib.asynccontextmanager
async def connected(to: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that the server knows as a peer, for as long as the block lasts."""
    client = await Client.connect(to)
    try:
        yield client.reader, client.writer
    finally:
        await client.close()
