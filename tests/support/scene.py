"""Scenes: a server in this process and plain sockets connected to it, over TCP or a Unix socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.accepted import until

from fastserver import CloseReason, Config, Message, Peer, Server
from fastserver.figures import Figures

DEADLINE = 30
Main = Callable[["Scene"], Coroutine[Any, Any, None]]


class Scene:
    """A server, plain sockets connected to it, and the figures of those that left it."""

    def __init__(
        self, unix: Path | None, stack: ExitStack, handler: Callable[[Message], object] | None, **settings: Any
    ) -> None:
        where: dict[str, Any] = {"port": 0} if unix is None else {"unix": str(unix)}
        self.server = Server(Config(**{"log_messages": 0, "drain_timeout": 0.05} | where | settings))
        self.unix = unix is not None
        self.address = ""
        self.left: list[Figures] = []
        self._stack = stack
        if handler is not None:
            self.server.on_message(handler)

        @self.server.on_disconnect
        def leave(peer: Peer, reason: CloseReason) -> None:
            self.left.append(peer.figures())

    async def connect(self, receive_buffer: int | None = None) -> socket.socket:
        """A socket that the server has let in."""
        family = socket.AF_UNIX if self.unix else socket.AF_INET
        sock = self._stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        address = self.address = self.server.addresses[0]
        before = self.server.peers.accepted
        loop = asyncio.get_running_loop()
        host, _, port = address.rpartition(":")
        await loop.sock_connect(sock, address.removeprefix("unix:") if self.unix else (host, int(port)))
        await until(lambda: self.server.peers.accepted > before)
        return sock

    def tell(self, line: bytes) -> None:
        """Send a line to everyone, now."""
        self.server.everyone.broadcast(line)
        self.server.tick.run()

    async def stuff(self, peer: Peer, line: bytes) -> None:
        """Send lines until the kernel takes no more for `peer`, which reads nothing."""
        while not peer.link.stuck and peer.reason is None:
            peer.send(line)
            self.server.tick.run()


async def heard(sock: socket.socket, size: int) -> bytes:
    """The next `size` bytes."""
    data = b""
    while len(data) < size:
        chunk = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
        assert chunk, data
        data += chunk
    return data


async def to_the_end(sock: socket.socket) -> tuple[bytes, bool]:
    """All that still comes, and whether the connection was reset."""
    data = bytearray()
    while True:
        try:
            chunk = await asyncio.get_running_loop().sock_recv(sock, 1 << 20)
        except ConnectionResetError:
            return bytes(data), True
        if not chunk:
            return bytes(data), False
        data += chunk


def reset(sock: socket.socket) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Play:
    """Runs a scene on a loop, over TCP or over the Unix socket at `path`."""

    def __init__(self, loop: Any, stack: ExitStack, path: Path | None) -> None:
        self._loop = loop
        self._stack = stack
        self._path = path

    def __call__(self, main: Main, handler: Callable[[Message], object] | None = None, **settings: Any) -> None:
        self._loop(self._whole(main, handler, settings))

    async def _whole(self, main: Main, handler: Callable[[Message], object] | None, settings: dict[str, Any]) -> None:
        scene = Scene(self._path, self._stack, handler, **settings)
        await scene.server.start()
        try:
            await asyncio.wait_for(main(scene), DEADLINE)
        finally:
            await scene.server.stop()
