"""Listeners: the addresses we accept on."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastserver.access import descriptors
from fastserver.config.hostport import show_address
from fastserver.errors import ListenError
from fastserver.listeners.sockets import BACKLOG, identity, listen_tcp, listen_unix, remove_unix, why
from fastserver.socketoptions import SocketOption, set_options

if TYPE_CHECKING:
    from fastserver.config.listener import Listener

ACCEPTS: Final = 16
"""Connections that uvloop accepts on one address in a turn of its loop. By itself it accepts one, so that a server
whose every turn is long, since it has thousands of peers, would let in a few a second. Each costs a descriptor."""

ACCEPTS_PART: Final = 8
"""All of these together take at most one part in so many of the descriptors there are."""


class Listeners:
    """The addresses that one server accepts on."""

    def __init__(self) -> None:
        self.open_at: list[tuple[str, Listener]] = []
        """Each address, as text (`127.0.0.1:3000`, `unix:/run/feed.sock`), with its listener."""
        self._servers: list[asyncio.AbstractServer] = []
        self._unix: list[tuple[str, tuple[int, int]]] = []

    async def open(
        self,
        listeners: Iterable[Listener],
        options: Iterable[SocketOption],
        protocol: Callable[[Listener], asyncio.Protocol],
    ) -> None:
        """Accept on all of `listeners`, with a new `protocol` for each connection. Raises `ListenError`.

        `options` are for TCP connections.
        """
        loop = asyncio.get_running_loop()
        unopened: list[tuple[Listener, socket.socket]] = []
        try:
            for listener in listeners:
                if listener.path is not None:
                    unopened.append((listener, listen_unix(listener.path)))
                    self._unix.append((listener.path, identity(listener.path)))
                else:
                    sockets = listen_tcp(listener.host, listener.port)
                    unopened += [(listener, one) for one in sockets]
                    for one in sockets:
                        set_options(one, options)
            copies = _copies(loop, len(unopened))
            for listener, listening in unopened:
                unix = listener.path is not None
                address = f"unix:{listener.path}" if unix else show_address(listening.getsockname())
                create: Any = loop.create_unix_server if unix else loop.create_server
                for one in (listening, *(listening.dup() for _ in range(copies))):
                    self._servers.append(await create(partial(protocol, listener), sock=one, backlog=BACKLOG))
                self.open_at.append((address, listener))
            descriptors.check_peer()
        except BaseException as error:
            self.close()
            for _, listening in unopened:
                listening.close()
            self.open_at.clear()
            if isinstance(error, OSError):
                few = error.errno == errno.EMFILE
                raise descriptors.too_few() if few else ListenError(f"cannot listen: {why(error)}") from None
            raise

    def close(self) -> None:
        """Stop accepting, and remove the Unix socket files."""
        for path, inode in self._unix:
            remove_unix(path, inode)
        self._unix.clear()
        for server in self._servers:
            server.close()
        self._servers.clear()


def _copies(loop: asyncio.AbstractEventLoop, listeners: int) -> int:
    """The number of copies of each of so many listening sockets that uvloop needs to accept several connections in a
    turn; other loops accept many by themselves.
    """
    if not type(loop).__module__.startswith("uvloop"):
        return 0
    return max(1, min(ACCEPTS, descriptors.ceiling() // ACCEPTS_PART // max(1, listeners))) - 1
