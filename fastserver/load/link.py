"""A link: one connection of the load."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from fastserver.client.address import Address
from fastserver.client.failure import why
from fastserver.load.errors import LoadError
from fastserver.load.poll import READ, WRITE, Poll
from fastserver.load.wire import Role, Wire

TIMEOUT: Final = 10.0
"""Seconds that may pass without an event while connections are made and greeted."""
AT_ONCE: Final = 64
"""Connections being made at a time: servers queue a hundred or so."""
CHUNK: Final = 256 * 1024  # bytes read at once: as many as fit into a processor's own cache

Target = tuple[int, Any]
"""The address family and address to which a name was resolved."""


class Link:
    """A connection of a run, whose connections are numbered from 0. Once open, its socket never blocks."""

    __slots__ = (
        "_held",
        "gap",
        "granted",
        "number",
        "queued",
        "received",
        "received_at",
        "role",
        "socket",
        "turn",
        "unsent",
        "wire",
    )

    def __init__(self, target: Target, number: int, role: Role, wire: Wire, made: socket.socket | None = None) -> None:
        self.number = number
        self.role = role
        self.wire = wire
        self.received = 0  # bytes
        self.received_at = 0  # nanoseconds of the monotonic clock
        self.gap = 0  # the longest time in which nothing came, nanoseconds
        self.granted = 0  # writes that may begin
        self.queued = False  # about to send, or waiting for room
        self.turn = 0  # writes begun
        self.unsent: bytes | memoryview = b""  # the rest of the last write
        self._held = b""  # possibly the beginning of a ping
        self.socket = made or socket.socket(target[0], socket.SOCK_STREAM)
        self.socket.setblocking(False)
        if target[0] != getattr(socket, "AF_UNIX", None):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def descriptor(self) -> int:
        return self.socket.fileno()

    def connect(self, target: Target) -> None:
        """Begin to connect. Once the socket is writable, `greet` tells whether that succeeded."""
        if isinstance(target[1], str):  # Unix sockets do not connect in the background
            self.socket.settimeout(TIMEOUT)
            self.socket.connect(target[1])
            self.socket.setblocking(False)
        else:
            self.socket.connect_ex(target[1])

    def greet(self) -> None:
        """Send the greeting of the protocol. Raises OSError, also if the connection could not be made."""
        failure = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise OSError(failure, os.strerror(failure))
        hello = self.wire.hello(self.role, self.number)
        if hello:
            self.socket.setblocking(True)
            self.socket.sendall(hello)
            self.socket.setblocking(False)

    def receive(self) -> bytes:
        """The bytes that have arrived, without pings, which it answers. Raises BlockingIOError; EOFError at the end."""
        data = self.socket.recv(CHUNK)
        if not data:
            raise EOFError
        return self.without_pings(data) if self.wire.ping else data

    def without_pings(self, data: bytes) -> bytes:
        """`data`, the next of its stream, without the server's pings, which are answered."""
        ping = self.wire.ping
        data = self._held + data
        for _ in range(data.count(ping)):
            self._answer(self.wire.pong)
        data = data.replace(ping, b"")
        begun = next((size for size in range(len(ping) - 1, 0, -1) if data.endswith(ping[:size])), 0)
        self._held = data[len(data) - begun :]
        return data[: len(data) - begun]

    def close(self) -> None:
        self.socket.close()

    def _answer(self, pong: bytes) -> None:
        if self.unsent:
            self.unsent = bytes(self.unsent) + pong  # not into the middle of a frame
            return
        with suppress(OSError):
            self.socket.send(pong)


def reach(address: Address) -> tuple[Target, socket.socket]:
    """The resolved `address`, and a first connection to it. Raises `LoadError`."""
    try:
        if address.path is not None:
            first = socket.socket(socket.AF_UNIX)
            first.settimeout(TIMEOUT)
            first.connect(address.path)
            return (first.family, address.path), first
        first = socket.create_connection((address.host, address.port), TIMEOUT)
        return (first.family, first.getpeername()), first
    except (OSError, UnicodeError, AttributeError) as error:  # a name that is none; no Unix sockets on Windows
        raise LoadError(f"{address}: {why(error)}") from None


def open_links(
    target: Target, wire: Wire, wanted: Iterable[tuple[int, Role]], first: socket.socket | None = None
) -> list[Link]:
    """A connection for each number and role, greeted, in that order. Raises `LoadError`.

    The first of them takes over `first`, if that is a connection already.
    """
    links: list[Link] = []
    waiting = deque(wanted)
    opening: dict[int, Link] = {}  # by descriptor
    received: dict[int, bytes] = {}  # by descriptor, once connected
    poll = Poll()
    try:
        while waiting or opening:
            while waiting and len(opening) < AT_ONCE:
                made, first = first, None
                link = Link(target, *waiting.popleft(), wire, made)
                links.append(link)
                opening[link.descriptor] = link
                if made is None:
                    link.connect(target)
                poll.register(link.descriptor, WRITE)
            events = poll.wait(TIMEOUT)
            if not events:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            for number, _ in events:
                link = opening[number]
                if number in received:
                    received[number] += link.receive()
                else:
                    link.greet()
                    received[number] = b""
                    poll.modify(number, READ)
                if wire.ready(link.role, received[number]):
                    poll.unregister(number)
                    del opening[number], received[number]
        return links
    except (OSError, ValueError, EOFError) as error:
        for link in links:
            link.close()
        reason = "the server closed a connection" if isinstance(error, EOFError) else why(error)
        raise LoadError(reason) from None
    finally:
        poll.close()
