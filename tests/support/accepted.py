"""Connections that a server in this process has accepted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from fastserver import Server


class Client:
    """A connection that the server knows as a peer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, to: Server) -> Client:
        before = to.peers.accepted
        made = cls(*await asyncio.open_connection("127.0.0.1", int(to.addresses[0].rpartition(":")[2])))
        while to.peers.accepted == before:
            await asyncio.sleep(0)
        return made

    async def say(self, text: bytes) -> bytes:
        """Say a line, and what is answered."""
        self.writer.write(text + b"\n")
        return (await self.reader.readline()).strip()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
