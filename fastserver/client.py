"""A client for asyncio programs, under uvloop or the standard event loop.

    async with Client("127.0.0.1:3000", mode="msgpack") as client:
        await client.send({"temperature": 21.5})
        async for message in client:
            print(message.value)

What `send` took arrives whole and in order, at most once: what a connection had not delivered when it broke
is not sent again by the next, since nobody can know how much of it arrived.
"""

from __future__ import annotations

import asyncio
import io
import logging
import random
from collections import deque
from ssl import SSLContext
from types import TracebackType
from typing import Any, Final

import msgpack

from fastserver.address import Address
from fastserver.connection import Connection, why
from fastserver.errors import ConfigError, FrameError
from fastserver.framing import FRAMINGS, Message, Splitter
from fastserver.setting import MIB

MAX_QUEUE: Final = MIB  # bytes: several times what one read brings, so that a fast program never waits
CLOSE_TIMEOUT: Final = 5.0  # seconds, as the server's drain
LINGER: Final = 1.0  # seconds: a server may keep a half-closed connection for its own reasons much longer
FIRST_DELAY = 0.1  # seconds before the first try to connect again; each further one waits twice as long …
LONGEST_DELAY = 30.0  # … up to this; a random part of at most half is taken off, so that clients spread
BURST: Final = 64 * 1024  # bytes: a task that only sends lets others run at least this often

logger = logging.getLogger("fastserver.client")


class Client:
    """A conversation with the server at `address`; `async with` begins it.

    `address` is `host:port`, `[::1]:port` or `unix:path`; `mode` a framing by name; `max_message` the longest
    payload in bytes, either way. `ssl` is passed on to asyncio, as is `server_hostname`, which a Unix socket
    needs with it.

    `max_queue` is how many bytes of messages wait for the program: at that many reading stops until half are
    taken, and the server is the one to wait. `close_timeout` is how many seconds `close` gives the server to
    take what was sent. With `reconnect`, a connection that cannot be made or is lost is made again, after 0.1
    s at first and at most 30 s, for as long as the client is open.

    Raises `ConfigError` for an address, mode or size that is not allowed; `async with` raises OSError if it
    cannot connect.
    """

    def __init__(
        self,
        address: str,
        *,
        mode: str = "lines",
        max_message: int = MIB,
        reconnect: bool = False,
        ssl: SSLContext | None = None,
        server_hostname: str | None = None,
        max_queue: int = MAX_QUEUE,
        close_timeout: float = CLOSE_TIMEOUT,
    ) -> None:
        if mode not in FRAMINGS:
            raise ConfigError(f"mode {mode!r} is not allowed; allowed is one of {', '.join(FRAMINGS)}")
        for name, size in (("max_message", max_message), ("max_queue", max_queue)):
            if size < 1:
                raise ConfigError(f"{name} {size!r} is not allowed; allowed is 1 or more bytes")
        self.address = Address.parse(address)
        self.mode = mode
        self._max_message = max_message
        self._framer = self._splitter()
        self._reconnect = reconnect
        self._tls: dict[str, Any] = {"ssl": ssl, "server_hostname": server_hostname} if ssl else {}
        self._max_queue = max_queue
        self._close_timeout = close_timeout
        self._connection: Connection | None = None
        self._up = asyncio.Event()  # connected, or `_unsendable` says why never again
        self._unsendable = "`async with` has not connected the client"
        self._redialing: asyncio.Task[None] | None = None
        self._delay = FIRST_DELAY
        self._burst = 0
        self._queue: deque[tuple[bytes, Splitter]] = deque()  # frames, and the splitter they came through
        self._queued = 0  # bytes
        self._messages: deque[Message] = deque()  # of the frames being taken
        self._arrived = asyncio.Event()  # something to take, or the end
        self._ended = False
        self._error: Exception | None = None

    def __repr__(self) -> str:
        return f"<Client of {self.address}, {self.mode}>"

    async def __aenter__(self) -> Client:
        if self._ended:
            raise RuntimeError("a client that was closed cannot connect again; make another")
        self._unsendable = ""
        try:
            await self._dial()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except OSError:
            if error is None:  # else it would hide that one
                raise

    # --- sending

    async def send(self, value: Any) -> None:
        """Sends `value` as one message: bytes-like in lines mode, else anything `msgpack.packb` takes.

        Waits while the server does not take what was sent before, and with `reconnect` while there is no
        connection. Cancelled while it waits, it has sent nothing. Raises TypeError or ValueError for what
        cannot be a message, ConnectionError if the connection has ended.
        """
        await self.send_packed(value if self.mode == "lines" else msgpack.packb(value))

    async def send_packed(self, payload: bytes | bytearray | memoryview) -> None:
        """Sends `payload` as it is, in the msgpack modes exactly one packed object. Otherwise like `send`."""
        await self.send_frames(self._framer.frame(payload))

    async def send_frames(self, frames: bytes) -> None:
        """Sends complete frames, in wire form and unchecked, such as another splitter gave. Otherwise like
        `send`."""
        if self._burst > BURST:
            self._burst = 0
            await asyncio.sleep(0)
        connection = await self._writable()
        self._burst += len(frames)
        connection.write(frames)

    async def finish(self) -> None:
        """Ends our side of the stream and waits until the system has taken all of it; receiving goes on.

        From here on the client does not reconnect. Raises ConnectionError if the connection broke, and
        `io.UnsupportedOperation` over TLS, which asyncio cannot half-close.
        """
        if not self._unsendable:
            connection = await self._writable()
            if not connection.can_half_close:
                raise io.UnsupportedOperation("a TLS connection cannot be half-closed")
            self._reconnect = False
            self._stop_sending("finish() was called")
            connection.half_close()
        if self._connection:
            await self._connection.flushed()

    async def close(self, *, linger: float = LINGER) -> None:
        """Ends the connection without loss of what was sent; messages that had arrived can still be received.

        Gives the server `close_timeout` seconds to take what was sent, half-closes, then reads on, throwing
        away, until the server ends its side or for `linger` seconds: unread data would make the system reset
        the connection, and what is still on its way with it. A client that sent nothing does not linger.

        Raises TimeoutError, or ConnectionError if the connection broke meanwhile, with how much was not
        taken.
        """
        self._reconnect = False
        self._stop_sending("the client was closed")
        self._stop_receiving(None)
        if self._redialing:
            self._redialing.cancel()
            await asyncio.wait([self._redialing])
        connection, self._connection = self._connection, None
        if connection:
            await connection.close(self._close_timeout, linger)

    # --- receiving

    def __aiter__(self) -> Client:
        return self

    async def __anext__(self) -> Message:
        """The next message, its `peer` this client.

        Stops where the server ended the stream. Raises FrameError if it sent what cannot be a frame, OSError
        if the connection broke.
        """
        while not self._messages:
            batch = await self.receive_batch()
            if not batch:
                raise StopAsyncIteration
            self._messages.extend(batch)
        return self._messages.popleft()

    async def receive(self) -> Message:
        """The next message, as iteration gives it. Raises EOFError where the server ended the stream."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise EOFError("the server ended the stream") from None

    async def receive_batch(self) -> list[Message]:
        """The messages that came together next, at least one; none at the end of the stream.

        Faster than one by one for who can use many at a time. Raises like iteration.
        """
        if self._messages:
            batch = list(self._messages)
            self._messages.clear()
            return batch
        while not self._queue:
            if self._error:
                raise self._error
            if self._ended:
                return []
            self._arrived.clear()
            await self._arrived.wait()
        frames, splitter = self._queue.popleft()
        self._queued -= len(frames)
        if self._connection and self._queued <= self._max_queue // 2:
            self._connection.resume_reading()
        return list(splitter.messages(frames, self))

    # --- what the connection tells

    def connected(self, connection: Connection) -> None:
        self._connection = connection
        self._up.set()

    def received(self, connection: Connection, frames: bytes) -> None:
        if self._ended:
            return
        self._queue.append((frames, connection.splitter))
        self._queued += len(frames)
        self._arrived.set()
        if self._queued >= self._max_queue:
            connection.pause_reading()

    def ended(self, error: FrameError | None) -> None:
        if self._reconnect:
            self._up.clear()
        else:
            self._stop_sending("the server ended the stream")
            self._stop_receiving(error)

    def broken(self, error: FrameError) -> None:
        # Another connection would not make it better: this ends the client, with `reconnect` too.
        self._stop_sending(f"the server sent no {self.mode} message: {error}")
        self._stop_receiving(error)

    def lost(self, connection: Connection, error: Exception | None) -> None:
        if not self._reconnect or self._ended:
            self._stop_sending(f"the connection was lost: {why(error) if error else 'closed'}")
            self._stop_receiving(error)
            return
        self._connection = None
        self._up.clear()
        if connection.age > LONGEST_DELAY:  # it stood: not one of a row of failures
            self._delay = FIRST_DELAY
        self._redialing = asyncio.get_running_loop().create_task(self._redial(error))

    # --- connecting

    def _splitter(self) -> Splitter:
        return FRAMINGS[self.mode].splitter(self._max_message)

    async def _dial(self) -> None:
        """Connects; with `reconnect` tries until it can."""
        while True:
            try:
                return await self._dial_once()
            except OSError as error:
                if not self._reconnect:
                    raise
                await self._pause(f"cannot connect to {self.address}: {why(error)}")

    async def _dial_once(self) -> None:
        loop, at = asyncio.get_running_loop(), self.address
        try:
            if at.path is not None:
                await loop.create_unix_connection(self._make, at.path, **self._tls)
            else:
                await loop.create_connection(self._make, at.host, at.port, **self._tls)
        except BaseException:
            self._connection = None  # cancelled just after it was made: the loop closes it, and need not say so
            raise

    def _make(self) -> Connection:
        return Connection(self, self._splitter())

    async def _redial(self, error: Exception | None) -> None:
        try:
            reason = why(error) if error else "closed by the server"
            await self._pause(f"connection to {self.address} lost: {reason}")
            await self._dial()
        except Exception as failure:  # whatever it is, nobody else would see it
            self._stop_sending(f"cannot connect: {why(failure)}")
            self._stop_receiving(failure)

    async def _pause(self, why: str) -> None:
        delay = self._delay * random.uniform(0.5, 1.0)
        self._delay = min(2 * self._delay, LONGEST_DELAY)
        logger.warning("%s; next try in %.2g s", why, delay)
        await asyncio.sleep(delay)

    # --- ends

    async def _writable(self) -> Connection:
        while True:
            if self._unsendable:
                raise ConnectionError(f"cannot send to {self.address}: {self._unsendable}")
            if self._connection is None or not self._up.is_set():
                await self._up.wait()
            elif self._connection.writable.is_set():
                return self._connection
            else:
                await self._connection.writable.wait()

    def _stop_sending(self, why: str) -> None:
        self._unsendable = self._unsendable or why
        self._up.set()

    def _stop_receiving(self, error: Exception | None) -> None:
        if not self._ended:
            self._ended = True
            self._error = error
            self._arrived.set()


connect = Client  # `async with connect(…) as client` says what happens
