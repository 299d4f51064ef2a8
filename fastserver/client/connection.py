"""A connection to a server, as asyncio sees it: bytes in, complete frames out, and an orderly end."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol, cast

from fastserver import socketoptions
from fastserver.client import delivery
from fastserver.client.failure import may_be_lost, reset, why
from fastserver.errors import FrameError
from fastserver.framing import Splitter

# A server that vanished without a word is noticed after about 90 s; a client that only receives would wait for ever.
KEEPALIVE: Final = socketoptions.keep_alive(60, 10, 3)
HIGH_WATER: Final = 64 * 1024  # bytes that may wait to be sent
LOW_WATER: Final = 16 * 1024
CHUNK: Final = 256 * 1024  # bytes read at once of what a broken connection has left


def keep_alive(sock: socket.socket) -> None:
    """Has the system ask a silent server whether it is still there. Does nothing for a Unix socket."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):  # some systems refuse for a connection that was reset already
        socketoptions.set_options(sock, KEEPALIVE)


def reset_on_close(sock: socket.socket) -> None:
    """Has closing reset the connection: an end of stream would pass half a line off as a whole one."""
    with suppress(OSError):  # the connection is gone already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Owner(Protocol):
    """The owner of a connection, told of its life in this order."""

    def connected(self, connection: Connection) -> None: ...

    def received(self, connection: Connection, frames: bytes) -> None: ...

    def ended(self, connection: Connection, error: FrameError | None) -> None:
        """The server ended its side, with `error` if inside a frame; the connection then closes by itself."""

    def broken(self, connection: Connection, error: FrameError) -> None:
        """The server sent an invalid message; the connection then closes by itself."""

    def lost(self, connection: Connection, error: Exception | None) -> None:
        """The connection is closed, with `error` if it was not in order."""


class Connection(asyncio.Protocol):
    """A connection, made by asyncio. `writable` is set while it takes more to send, and once it is lost.

    `patience` is the number of seconds that the server has to take all messages once the connection ends by itself.
    """

    _transport: asyncio.Transport
    _socket: Any  # the part of it that the event loop shows
    _lost: asyncio.Future[None]

    def __init__(self, owner: Owner, splitter: Splitter, patience: float) -> None:
        self._owner = owner
        self.splitter = splitter
        self.writable = asyncio.Event()
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._lost = self._loop.create_future()  # and no task, which a program that cancels all of them would reach
        self._error: Exception | None = None
        self._began = 0.0
        self._sent = 0  # bytes
        self._sent_at = 0.0
        self._ended = False  # by the server
        self._done = False  # all that was sent is there, and an error of TLS does not matter any more
        self._discards = False  # data that arrives is thrown away
        self._paused = False
        self._leaving: asyncio.Task[None] | None = None

    @property
    def age(self) -> float:
        """Seconds since it was made."""
        return self._loop.time() - self._began

    @property
    def open(self) -> bool:
        """True while the server has ended neither its side nor all of it."""
        return not (self._ended or self._lost.done())

    @property
    def error(self) -> Exception | None:
        """The error with which it was lost, None if that was in order."""
        return self._error

    @property
    def sent(self) -> bool:
        """True if anything was sent on it."""
        return self._sent > 0

    @property
    def can_half_close(self) -> bool:
        return not self._tls

    def write(self, frames: bytes) -> None:
        self._sent += len(frames)
        self._sent_at = self._loop.time()
        self._transport.write(frames)

    def half_close(self) -> None:
        """Ends our side, after all that was written; nothing over TLS."""
        if self.can_half_close and not self._lost.done() and not self._transport.is_closing():
            with suppress(OSError):  # it was reset, which reading will tell
                self._transport.write_eof()

    async def flushed(self) -> None:
        """Waits until the system has taken all that was written. Raises ConnectionError if the connection
        broke."""
        if not self._lost.done():
            if self._transport.is_closing():  # which flushes, too
                await asyncio.wait([self._lost])
            else:
                self._transport.set_write_buffer_limits(high=0)  # "writable" now means that nothing waits
                await self.writable.wait()
        if self._error:
            raise ConnectionError(f"the connection broke: {why(self._error)}")

    def pause_reading(self) -> None:
        if not self._paused and not self._lost.done() and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and not self._lost.done() and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    async def close(self, within: float, linger: float) -> None:
        """Half-closes, reads and throws away until the server has all that was sent, `within` seconds at most, and
        for `linger` seconds more at most, while its program may still be about to read that. Nothing was sent: closes.

        Raises TimeoutError if the server did not take all in time, ConnectionError if the connection broke.
        """
        try:
            await self._end(within, linger)
        finally:
            if not self._lost.done():
                self.abort()
                await asyncio.wait([self._lost])
        if self._error and self._sent and not self._done:
            raise may_be_lost(self._error)

    def abort(self) -> None:
        """Closes at once; with a reset where something has not been passed on, which would be half a message."""
        if self._lost.done():
            return
        if self._transport.get_write_buffer_size():
            reset_on_close(self._socket)
        self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self._socket = transport.get_extra_info("socket")
        keep_alive(self._socket)
        self._tls = transport.get_extra_info("sslcontext") is not None
        self._began = self._loop.time()
        self.writable.set()
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._discards:
            return
        try:
            frames = self.splitter.feed(data)
        except FrameError as error:
            self._discards = True
            if error.frames:
                self._owner.received(self, error.frames)
            self._owner.broken(self, error)
            self._leave()
        else:
            if frames:
                self._owner.received(self, frames)

    def eof_received(self) -> bool:
        self._end_of_stream()
        if not (self._sent and self.can_half_close):
            return False  # closes
        self._leave()
        return True

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost.set_result(None)
        self.writable.set()
        if error:
            self._read_out(error)
        elif self._sent and not self._tls and delivery.broken(self._socket):
            error = reset()  # which no read told of, since a stream that has ended is not read any more
        if isinstance(error, OSError) and error.errno == errno.ENOTCONN:
            error = reset()  # met by ending our side
        self._error = error or self._error
        self._owner.lost(self, self._error)

    # --- helpers

    def _end_of_stream(self) -> None:
        if self._ended:
            return
        self._ended = True
        error = None
        if not self._discards:
            try:
                frames = self.splitter.finish()
                if frames:
                    self._owner.received(self, frames)
            except FrameError as incomplete:
                error = incomplete
        self._owner.ended(self, error)

    def _read_out(self, error: Exception) -> None:
        """Takes what had arrived before the connection broke: at a failed write, event loops close without reading."""
        if self._ended or self._tls:
            return
        with suppress(OSError):
            while data := os.read(self._socket.fileno(), CHUNK):
                self.data_received(data)
            # A reset is told to the first call alone, and the next one reads an end of stream. The write that
            # failed was told of a reset if there was no end of stream before, else of a broken pipe.
            if isinstance(error, BrokenPipeError):
                self._end_of_stream()

    def _leave(self) -> None:
        """Closes, for the server has ended; not before it has taken what was sent."""
        if self._leaving is None and not self._lost.done():
            self._leaving = self._loop.create_task(self._left())

    async def _left(self) -> None:
        try:
            await self._end(self._patience, delivery.GRACE)
        except TimeoutError as error:
            self._error = error
        finally:
            self.abort()

    async def _end(self, within: float, linger: float) -> None:
        self._discards = True
        if self._lost.done() or not self._sent:
            return
        self.resume_reading()
        self.half_close()
        if not await self._until(self._arrived, within):
            waiting = self._transport.get_write_buffer_size() + delivery.missing(self._socket)
            if waiting:
                raise TimeoutError(f"the server did not take the last {waiting} bytes within {within:g} s")
        stay = 0.0
        if not (self._lost.done() or self._ended):
            stay = delivery.patience(self._socket, self._sent, self._loop.time() - self._sent_at, linger)
            await self._until(lambda: self._ended or delivery.read(self._socket), stay)
        if not self.can_half_close:  # not before: TLS fails at what arrives after its end
            self._done = not self._lost.done()
            self._transport.close()
            await self._until(lambda: False, stay)

    def _arrived(self) -> bool:
        if self._transport.get_write_buffer_size():
            return False
        sock = self._socket
        return delivery.arrived(sock, ended=self.can_half_close) or delivery.broken(sock)

    async def _until(self, happened: Callable[[], bool], seconds: float) -> bool:
        """Waits until `happened()` or the connection is lost; False if that took longer than so many seconds."""
        # Not `asyncio.wait_for`: before Python 3.12 it may swallow that the task was cancelled.
        deadline = self._loop.time() + seconds
        look = delivery.FIRST_LOOK
        while not (self._lost.done() or happened()):
            left = deadline - self._loop.time()
            if left <= 0:
                return False
            await asyncio.wait([self._lost], timeout=min(look, left))
            look = min(2 * look, delivery.LONGEST_LOOK)
        return True
