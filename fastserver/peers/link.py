"""The link: a peer's way to the kernel. Nothing else writes to a connection, ends our half of it, or closes it.

Rules:
- A transport only reads. A write of its own that fails makes it close with what the peer had sent still unread, so
  everything is sent beneath it, and readiness to take more is asked of the system in a selector of our own.
- After a write has failed, nothing more is written, and the peer is read to the end of its stream.
- A connection that is closed with bytes its peer has not taken is reset: the end of the stream would pass half a
  message off as a whole one, and the kernel would keep those bytes for minutes.
- A transport that is no plain socket has no descriptor (-1): then the same goes through the transport.
"""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastserver.fanout.backlog import Part, past
from fastserver.kernel import borrowed

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer

MAX_PARTS: Final = 1024
"""Parts that one writev(2) takes (IOV_MAX)."""

TCP_CLOSE: Final = 7
"""The state of a connection that was reset, first byte of struct tcp_info (linux/tcp.h)."""

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, 0 s."""


class Link(Protocol):
    """What a peer asks of its way to the kernel."""

    def write(self, peer: Peer, parts: Sequence[Part]) -> None:
        """Pass on `parts` after what was written before. Afterwards `peer.stuck` says that not all of it was taken yet
        and `peer.unsent` how many bytes were not; or `peer.error` is the error number of a write that failed.
        """

    def end(self, peer: Peer) -> None:
        """End our half of the stream. Everything written was taken."""

    def forget(self, peer: Peer) -> None:
        """Pass on nothing more of what was written."""

    def reset(self, peer: Peer) -> None:
        """Have the close that follows reset the connection, so that the kernel forgets what was not taken."""


class SocketLink:
    """The links of all peers of a server that have a plain socket; `open` comes first, `close` last."""

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

    def descriptor(self, transport: asyncio.BaseTransport) -> int:
        """The socket of `transport` if bytes sent to it go out as they are and it can be watched, else -1."""
        if self._selector is None or transport.get_extra_info("sslcontext") is not None:
            return -1
        number: int = transport.get_extra_info("socket").fileno()
        return number

    def limit(self, peer: Peer, size: int) -> None:
        """Have the kernel hold at most `size` bytes for `peer`."""
        if peer.descriptor >= 0:
            with suppress(OSError), borrowed(peer.descriptor) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def write(self, peer: Peer, parts: Sequence[Part]) -> None:
        if peer.error:
            return
        size = sum(map(len, parts))
        if peer.stuck:
            peer.unsent += size
            return
        if peer.transport.is_closing():
            peer.error = errno.ENOTCONN
            return
        try:
            peer.unsent = size - _send(peer.descriptor, parts)
        except OSError as error:
            peer.unsent = size
            peer.error = error.errno or errno.EIO
            return
        if peer.unsent:
            self._watch(peer)
            peer.stuck = True

    def end(self, peer: Peer) -> None:
        with suppress(OSError), borrowed(peer.descriptor) as sock:  # not connected any more
            sock.shutdown(socket.SHUT_WR)

    def forget(self, peer: Peer) -> None:
        if peer.stuck and self._selector is not None:
            with suppress(KeyError):
                if self._selector.get_key(peer.descriptor).data is peer:
                    self._selector.unregister(peer.descriptor)
        peer.stuck = False

    def reset(self, peer: Peer) -> None:
        with suppress(OSError), borrowed(peer.descriptor) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def is_over(self, peer: Peer) -> bool:
        """Whether the TCP connection has ended for the kernel, so that nothing more will be acknowledged."""
        try:
            with borrowed(peer.descriptor) as sock:
                return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE
        except OSError:
            return True

    def _watch(self, peer: Peer) -> None:
        assert self._selector is not None
        try:
            self._selector.register(peer.descriptor, selectors.EVENT_WRITE, peer)
        except KeyError:  # the number was that of a peer whose socket has been closed
            self._selector.unregister(peer.descriptor)
            self._selector.register(peer.descriptor, selectors.EVENT_WRITE, peer)

    def _ready(self) -> None:
        if self._selector is None:
            return
        for key, _ in self._selector.select(0):
            if key.data.stuck:  # not forgotten for what happened to another just now
                self._go_on(key.data)

    def _go_on(self, peer: Peer) -> None:
        """Pass on what `peer` could not take before."""
        parts = peer.held
        try:
            peer.unsent -= _send(peer.descriptor, past(parts, sum(map(len, parts)) - peer.unsent))
        except OSError as error:
            peer.error = error.errno or errno.EIO
            peer.write_failed()
            return
        if not peer.unsent:
            self.forget(peer)
            peer.resume_writing()


class TransportLink:
    """The link of any peer whose bytes only its transport can pass on. Its high-water mark is 0, so a transport that
    has not passed on everything has called `pause_writing`."""

    def write(self, peer: Peer, parts: Sequence[Part]) -> None:
        if peer.error:
            return
        transport = peer.transport
        size = sum(map(len, parts))
        if peer.closed or transport.is_closing():
            peer.unsent = size
            peer.error = errno.ENOTCONN
            return
        # Not `writelines`: that of the standard loop of Python 3.12 and 3.13 forgets to pause.
        transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
        if transport.is_closing():
            peer.unsent += size
            peer.error = errno.EPIPE
        else:
            peer.unsent = transport.get_write_buffer_size() if peer.stuck else 0

    def end(self, peer: Peer) -> None:
        with suppress(OSError, RuntimeError):
            if peer.transport.can_write_eof() and not peer.transport.is_closing():
                peer.transport.write_eof()

    def forget(self, peer: Peer) -> None:
        peer.stuck = False

    def reset(self, peer: Peer) -> None:
        sock = peer.transport.get_extra_info("socket")
        if hasattr(sock, "setsockopt"):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


TRANSPORT: Final = TransportLink()


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
