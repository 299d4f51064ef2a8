"""Listeners: the addresses we accept on."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastserver.access import descriptors
from fastserver.config.hostport import show_address
from fastserver.errors import ListenError
from fastserver.listeners.announcement import listening
from fastserver.listeners.options import accepted
from fastserver.listeners.sockets import BACKLOG, identity, listen_tcp, listen_unix, remove_unix, why
from fastserver.socketoptions import set_options

if TYPE_CHECKING:
    from fastserver.config.config import Config
    from fastserver.config.listener import Listener

ACCEPTS: Final = 16
"""Connections that uvloop accepts on one address in a turn of its loop. By itself it accepts one, so that a server
whose every turn is long, since it has thousands of peers, would let in a few a second. Each costs a descriptor."""

ACCEPTS_PART: Final = 8
"""All of these together take at most one part in so many of the descriptors there are."""


class Listeners:
    """The addresses of `config` that one server accepts on, with a new `protocol` for each connection."""

    def __init__(self, config: Config, protocol: Callable[[Listener], asyncio.Protocol]) -> None:
        self.open_at: list[tuple[str, Listener]] = []
        """Each address, as text (`127.0.0.1:3000`, `unix:/run/feed.sock`), with its listener."""
        self._config = config
        self._protocol = protocol
        self._servers: list[asyncio.AbstractServer] = []
        self._unix: list[tuple[str, tuple[int, int]]] = []

    @property
    def addresses(self) -> list[str]:
        """Where it accepts, as text."""
        return [address for address, _ in self.open_at]

    async def open(self) -> None:
        """Accept on all of them, and log where. Raises `ListenError`."""
        loop = asyncio.get_running_loop()
        options = accepted(self._config)
        unopened: list[tuple[Listener, socket.socket]] = []
        try:
            for listener in self._config.listeners:
                if listener.path is not None:
                    unopened.append((listener, listen_unix(listener.path)))
                    self._unix.append((listener.path, identity(listener.path)))
                else:
                    sockets = listen_tcp(listener.host, listener.port)
                    unopened += [(listener, one) for one in sockets]
                    for one in sockets:
                        set_options(one, options)
            copies = _copies(loop, len(unopened))
            for listener, bound in unopened:
                unix = listener.path is not None
                address = f"unix:{listener.path}" if unix else show_address(bound.getsockname())
                create: Any = loop.create_unix_server if unix else loop.create_server
                for one in (bound, *(bound.dup() for _ in range(copies))):
                    self._servers.append(await create(partial(self._protocol, listener), sock=one, backlog=BACKLOG))
                self.open_at.append((address, listener))
            descriptors.check_peer()
        except BaseException as error:
            self.close()
            for _, bound in unopened:
                bound.close()
            self.open_at.clear()
            if isinstance(error, OSError):
                few = error.errno == errno.EMFILE
                raise descriptors.too_few() if few else ListenError(f"cannot listen: {why(error)}") from None
            raise
        listening(self.open_at)

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
