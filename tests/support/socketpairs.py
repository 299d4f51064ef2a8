"""A simulated server whose peers have real sockets: pairs of Unix sockets, written to beneath the transport.

The kernel takes a few kilobytes beyond what a peer has room for.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from support.simulation import Loop, Simulation, Transport

from fastserver.peers.link import Link, Owner
from fastserver.peers.peer import Peer
from fastserver.peers.socketlink import SocketLink, Sockets

SEND_BUFFER = 4096
"""Bytes asked for; Linux gives little more, so that few are with the kernel."""


class WatchingLoop(Loop):
    """A loop that calls whoever waits for a descriptor to become readable."""

    def __init__(self) -> None:
        super().__init__()
        self.transports: list[SocketTransport] = []
        self._readers: dict[int, Callable[[], object]] = {}

    def add_reader(self, descriptor: int, call: Callable[[], object]) -> None:
        self._readers[descriptor] = call

    def remove_reader(self, descriptor: int) -> None:
        self._readers.pop(descriptor, None)

    def tick(self) -> None:
        super().tick()
        while self.exchange():
            super().tick()
        for transport in self.transports:
            transport.notice()
        super().tick()

    def exchange(self) -> bool:
        """Have all peers read what they have room for, and the server write what is taken; whether anything moved."""
        moved = False
        while self._read() + self._write():
            moved = True
        return moved

    def _read(self) -> int:
        return sum([transport.take() for transport in self.transports])

    def _write(self) -> int:
        poll = select.poll()
        for descriptor in self._readers:
            poll.register(descriptor, select.POLLIN)
        ready = poll.poll(0)
        for descriptor, _ in ready:
            self._readers[descriptor]()
        return len(ready)


class SocketTransport(Transport):
    """The connection of a peer that reads `room` more bytes. A write to it goes beneath, to its socket."""

    loop: WatchingLoop

    def __init__(self, loop: WatchingLoop, protocol: Peer, number: int, room: int) -> None:
        super().__init__(cast(Any, loop), protocol, number, room)
        self.ours, self.theirs = socket.socketpair()
        for end in (self.ours, self.theirs):
            end.setblocking(False)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._taken = bytearray()
        loop.transports.append(self)

    @property
    def sent(self) -> bytes:  # type: ignore[override]
        """All that the kernel has taken, whether it was read or not."""
        with suppress(OSError):  # nothing, or it is closed
            return bytes(self._taken) + self.theirs.recv(1 << 22, socket.MSG_PEEK)
        return bytes(self._taken)

    @sent.setter
    def sent(self, _: bytearray) -> None:
        """The option is never set."""

    def write(self, data: bytes) -> None:
        raise AssertionError("a transport that has a socket only reads")

    def give_room(self, size: int) -> None:
        self.room += size
        self.loop.exchange()

    def take(self) -> bool:
        """Read what there is room for; whether that was anything."""
        if self.broken or not self.room:
            return False
        try:
            data = self.theirs.recv(min(self.room, 1 << 22))
        except BlockingIOError:
            return False
        self._taken += data
        self.room -= len(data)
        return bool(data)

    def get_write_buffer_size(self) -> int:
        return self.protocol.link.unsent

    def get_extra_info(self, name: str) -> Any:
        return None if name == "sslcontext" else self.ours if name == "socket" else super().get_extra_info(name)

    def vanish(self) -> None:
        """The peer resets the connection, which is noticed at the next write, and then read."""
        self._taken, self.broken = bytearray(self.sent), True
        self.theirs.close()

    def notice(self) -> None:
        """Read the reset, once a write has failed."""
        if self.broken and self.protocol.link.error:
            self._lose(ConnectionResetError())

    def __del__(self) -> None:
        self.close_sockets()

    def close_sockets(self) -> None:
        self.ours.close()
        self.theirs.close()


class Acknowledged(SocketLink):
    """The link to a socket whose peer acknowledges everything at once. A Unix socket would tell what was not read."""

    __slots__ = ()

    unacknowledged = 0


class Pairs(Sockets):
    """Links to such sockets."""

    def link(self, owner: Owner, transport: asyncio.Transport) -> Link:
        return Acknowledged(owner, transport, transport.get_extra_info("socket").fileno(), self)


class SocketSimulation(Simulation):
    """A server on such connections; `close` gives their sockets back."""

    loop: WatchingLoop  # type: ignore[assignment]

    def make_loop(self) -> Loop:
        return WatchingLoop()

    def __init__(self, paced: bool = False, **settings: Any) -> None:
        super().__init__(paced, **settings)
        self.server.hub.sockets = Pairs()
        self.server.hub.sockets.open(cast(asyncio.AbstractEventLoop, self.loop))

    def make_transport(self, peer: Peer, room: int) -> Transport:
        return SocketTransport(self.loop, peer, next(self._numbers), room)

    def close(self) -> None:
        self.server.hub.sockets.close()
        for transport in self.loop.transports:
            transport.close_sockets()


NETWORKS = [Simulation, SocketSimulation]
"""The kinds of link that peers can have."""
