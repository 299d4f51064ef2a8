"""One connection to a server, as asyncio sees it: bytes in, complete frames out, and an orderly end."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from contextlib import suppress
from ssl import SSLError
from typing import Any, Final, Protocol, cast

from fastserver.errors import FrameError
from fastserver.framing import Splitter

# A server that vanished without a word is noticed after about 90 s; a client that only listens would wait for
# ever.
KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}  # seconds, seconds, tries
HIGH_WATER: Final = 64 * 1024  # bytes that may wait to be sent
LOW_WATER: Final = 16 * 1024


def keep_alive(sock: socket.socket) -> None:
    """Has the system ask a silent server whether it is still there. Does nothing for a Unix socket."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):  # some systems refuse for a connection that was reset already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):  # not every system has each
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def reset_on_close(sock: socket.socket) -> None:
    """Has closing reset the connection: an end of stream would pass half a line off as a whole one."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def why(error: Exception) -> str:
    """What went wrong, in the system's words where it has some."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno is None or isinstance(error, (SSLError, socket.gaierror)):  # they count their own way
        return error.strerror or str(error)
    # To end our side of a connection that was reset is "not connected": the same thing, found out later.
    return os.strerror(errno.ECONNRESET if error.errno == errno.ENOTCONN else error.errno)


class Owner(Protocol):
    """Who has the connection, and hears of it in this order."""

    def connected(self, connection: Connection) -> None: ...

    def received(self, connection: Connection, frames: bytes) -> None: ...

    def ended(self, error: FrameError | None) -> None:
        """The server ended its side, with `error` if inside a frame; the connection then closes by itself."""

    def broken(self, error: FrameError) -> None:
        """The server sent what cannot be a frame."""

    def lost(self, connection: Connection, error: Exception | None) -> None:
        """The connection is closed, with `error` if it was not in order."""


class Connection(asyncio.Protocol):
    """One connection; asyncio makes it. `writable` is set while it takes more to send, and once it is
    lost."""

    _transport: asyncio.Transport

    def __init__(self, owner: Owner, splitter: Splitter) -> None:
        self._owner = owner
        self.splitter = splitter
        self.writable = asyncio.Event()
        self._lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._error: Exception | None = None
        self._began = 0.0
        self._sent = False
        self._closing = False
        self._paused = False

    @property
    def age(self) -> float:
        """Seconds since it was made."""
        return self._loop.time() - self._began

    @property
    def can_half_close(self) -> bool:
        return self._transport.can_write_eof()

    def write(self, frames: bytes) -> None:
        self._sent = True
        self._transport.write(frames)

    def half_close(self) -> None:
        """Ends our side, after all that was written."""
        if not self._transport.is_closing():
            self._transport.write_eof()

    async def flushed(self) -> None:
        """Waits until the system has taken all that was written. Raises ConnectionError if the connection
        broke."""
        if self._transport.is_closing():  # which flushes, too
            await self._lost.wait()
        else:
            self._transport.set_write_buffer_limits(high=0)  # "writable" now means that nothing waits
            await self.writable.wait()
        if self._error:
            raise ConnectionError(f"the connection broke: {why(self._error)}")

    def pause_reading(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    async def close(self, within: float, linger: float) -> None:
        """Flushes in `within` seconds, half-closes, reads and throws away until the server ends its side or
        for `linger` seconds. Raises TimeoutError or ConnectionError if not all that was written could be
        flushed."""
        self._closing = True
        if self._lost.is_set():
            return
        waiting = self._transport.get_write_buffer_size()
        try:
            self.resume_reading()
            if self.can_half_close:
                self.half_close()
            else:
                self._transport.close()
            if not await _within(within, self.flushed()) and waiting:
                waiting = self._transport.get_write_buffer_size() or waiting
                raise TimeoutError(f"the server did not take the last {waiting} bytes within {within:g} s")
            if self._sent and linger > 0:
                await _within(linger, self._lost.wait())
        except ConnectionError:
            if waiting:
                raise
        finally:
            if not self._lost.is_set():
                self._abort()
                await self._lost.wait()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        keep_alive(self._socket())
        self._began = self._loop.time()
        self.writable.set()
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            frames = self.splitter.feed(data)
        except FrameError as error:
            if error.frames:
                self._owner.received(self, error.frames)
            self._owner.broken(error)
            self._abort()
        else:
            if frames:
                self._owner.received(self, frames)

    def eof_received(self) -> None:
        error = None
        try:
            frames = self.splitter.finish()
            if frames:
                self._owner.received(self, frames)
        except FrameError as incomplete:
            error = incomplete
        self._owner.ended(error)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._error = error
        self._lost.set()
        self.writable.set()
        self._owner.lost(self, error)

    # --- helpers

    def _socket(self) -> socket.socket:
        sock: Any = self._transport.get_extra_info("socket")
        return cast(socket.socket, sock)

    def _abort(self) -> None:
        if self._transport.get_write_buffer_size():
            reset_on_close(self._socket())
        self._transport.abort()


async def _within(seconds: float, step: Any) -> bool:
    """Whether the coroutine `step` came to its end in time."""
    try:
        await asyncio.wait_for(step, seconds)
    except asyncio.TimeoutError:
        return False
    return True
