"""The link of a peer that has a plain socket: everything is sent beneath its transport, as the kernel takes it."""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from fastserver.fanout.parts import Part, past
from fastserver.kernel import borrowed
from fastserver.peers.link import RESET, Link, Owner
from fastserver.peers.transportlink import TransportLink

MAX_PARTS: Final = 1024
"""Parts that one writev(2) takes (IOV_MAX)."""


class SocketLink(Link):
    """The link of a peer that has a plain socket. `sockets` says when the kernel takes more."""

    __slots__ = ("_sockets",)

    def __init__(self, owner: Owner, transport: asyncio.Transport, descriptor: int, sockets: Sockets) -> None:
        super().__init__(owner, transport, descriptor)
        self._sockets = sockets

    def write(self, parts: Sequence[Part], messages: int = 0) -> None:
        waits = self.stuck
        given = self._take(parts, messages)
        if waits or self.error:
            return
        if self.closing:
            self.error = errno.ENOTCONN
            return
        try:
            given.unsent -= _send(self.descriptor, parts)
        except OSError as error:
            self.error = error.errno or errno.EIO
            return
        if given.unsent:
            self._sockets.watch(self)
        else:
            self.passed_on()

    def forget(self) -> None:
        if self._given is not None:
            self._sockets.forget(self)

    def end(self) -> None:
        self.finished = True
        with suppress(OSError), borrowed(self.descriptor) as sock:  # not connected any more
            sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        with suppress(OSError), borrowed(self.descriptor) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def go_on(self) -> None:
        """Pass on what was not taken before, as the kernel takes more."""
        given = self._given
        if given is None or not self.stuck:  # it was forgotten for what happened to another just now
            return
        try:
            sent = _send(self.descriptor, past(given.parts, sum(map(len, given.parts)) - given.unsent))
        except OSError as error:
            self.error = error.errno or errno.EIO
            self._owner.write_failed()
            return
        given.unsent -= sent
        if not given.unsent:
            self.forget()
            self.passed_on()
            self._owner.resume_writing()


class Sockets:
    """Tells links when their sockets take more; `open` comes first, `close` last."""

    def __init__(self) -> None:
        self._selector: selectors.BaseSelector | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have `loop` say when sockets take more. Raises `OSError` where there are no descriptors left."""
        if hasattr(selectors.DefaultSelector, "fileno"):  # a selector that can be watched itself
            selector: Any = selectors.DefaultSelector()
            self._selector = selector
            self._loop = loop
            loop.add_reader(selector.fileno(), self._ready)

    def close(self) -> None:
        """Give the selector back."""
        selector: Any = self._selector
        if selector is not None and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.remove_reader(selector.fileno())
            selector.close()
            self._selector = None

    def link(self, owner: Owner, transport: asyncio.Transport) -> Link:
        """The link of `owner`: to its socket, if bytes sent to it go out as they are and it can be watched."""
        if self._selector is None or transport.get_extra_info("sslcontext") is not None:
            return TransportLink(owner, transport)
        return SocketLink(owner, transport, transport.get_extra_info("socket").fileno(), self)

    def watch(self, link: SocketLink) -> None:
        """Have `link` go on when the kernel takes more."""
        assert self._selector is not None
        try:
            self._selector.register(link.descriptor, selectors.EVENT_WRITE, link)
        except KeyError:  # the number was that of a peer whose socket has been closed
            self._selector.unregister(link.descriptor)
            self._selector.register(link.descriptor, selectors.EVENT_WRITE, link)

    def forget(self, link: SocketLink) -> None:
        """`link` is to go on no more."""
        if self._selector is not None:
            with suppress(KeyError):
                if self._selector.get_key(link.descriptor).data is link:
                    self._selector.unregister(link.descriptor)

    def _ready(self) -> None:
        if self._selector is not None:
            for key, _ in self._selector.select(0):
                key.data.go_on()


def _send(descriptor: int, parts: Sequence[Part]) -> int:
    """Bytes of `parts` that the kernel takes now. Raises `OSError` if the connection broke."""
    taken = 0
    for first in range(0, len(parts), MAX_PARTS):
        some = parts[first : first + MAX_PARTS]
        try:
            sent = os.write(descriptor, some[0]) if len(some) == 1 else os.writev(descriptor, some)
        except BlockingIOError:
            break
        taken += sent
        if sent < sum(map(len, some)):
            break
    return taken
