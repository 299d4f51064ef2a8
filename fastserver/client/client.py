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
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from inspect import isawaitable
from ssl import SSLContext
from types import TracebackType
from typing import Any, Final

from fastserver.client.address import Address
from fastserver.client.connection import Connection, why
from fastserver.config import parameters
from fastserver.config.setting import MIB
from fastserver.errors import ConfigError, FrameError
from fastserver.framing import Message, Splitter
from fastserver.framing.registry import DEFAULT_MODE, Mode

MAX_QUEUE: Final = MIB  # bytes: several times what one read brings, so that a fast program never waits
CLOSE_TIMEOUT: Final = 5.0  # seconds, as the server's drain
LINGER: Final = 1.0  # seconds: a server may keep a half-closed connection for its own reasons much longer
FIRST_DELAY = 0.1  # seconds before the first try to connect again
LONGEST_DELAY = 30.0  # seconds
BURST: Final = 64 * 1024  # bytes: a task that only sends lets others run at least this often
CANCELLED: Final = "connecting again was cancelled"
NOT_ENTERED: Final = "`async with` has not connected the client"

logger = logging.getLogger("fastserver.client")

_greeted: ContextVar[Connection | None] = ContextVar("greeted", default=None)
"""The connection that this task, or one that it began, greets in `on_connect`."""


class Delays:
    """How many seconds to wait before each try to connect again: `first`, then twice as many each time, at most
    `longest`; a random part of at most half is taken off, so that clients spread. None is the default. Raises
    `ConfigError`."""

    def __init__(self, first: float | None, longest: float | None) -> None:
        least = min(FIRST_DELAY, LONGEST_DELAY if longest is None else parameters.seconds("longest_delay", longest))
        self._first = least if first is None else parameters.seconds("first_delay", first)
        self._longest = max(LONGEST_DELAY, self._first) if longest is None else float(longest)
        if not self._first <= self._longest < float("inf"):
            what = f"first_delay {first!r} is not allowed with longest_delay {longest!r}"
            raise ConfigError(f"{what}; allowed is as much at most, and no infinity")
        self._delay = self._first

    def next(self) -> float:
        """How many seconds to wait now."""
        delay, self._delay = self._delay, min(2 * self._delay, self._longest)
        return delay * random.uniform(0.5, 1.0)

    def stood(self, seconds: float) -> None:
        """A connection lasted for so long: if that was long enough, it was not one of a row of failures."""
        if seconds > self._longest:
            self._delay = self._first


class Client:
    """A conversation with the server at `address`; `async with` begins it, once.

    `address` is `host:port`, `[::1]:port` or `unix:path`; `mode` a framing by name; `max_message` the longest
    payload in bytes, either way, as a number or as text such as "64KiB". `ssl` is passed on to asyncio, as is
    `server_hostname`, which a Unix socket needs with it. `default` is for `msgpack.packb`: it turns a value that
    msgpack cannot pack into one it can; `ext_hook` is called with type and data of an extension type, and gives what
    stands for it in `message.value`. `invalid_text` is what becomes of the msgpack message with a str that is not
    UTF-8, either way: `close` ends the client (the server's default too), with `pass` its bytes are surrogates in
    `message.value`.

    `max_queue` is how many bytes of messages wait for the program: at that many reading stops until half are
    taken, and the server is the one to wait. `close_timeout` is how many seconds `close` gives the server to
    take what was sent. With `reconnect`, a connection that cannot be made or is lost is made again, after
    `first_delay` seconds, then twice as many each time, up to `longest_delay`, for as long as the client is open.

    `on_connect(client)`, async or not, is called after each connect, before anything that waits to be sent: what it
    sends, such as a login, goes first. If it raises, `async with` does; later on the client ends with that error.
    OSError, and a connection that is lost meanwhile, is a failure to connect instead. `on_disconnect(error)`, not
    async, is called after each connection, with None if it ended in order.

    Raises `ConfigError` for a parameter that is not allowed; `async with` raises OSError if it cannot connect,
    RuntimeError if it is entered again. It is for the event loop in which it is entered: elsewhere RuntimeError.
    """

    def __init__(
        self,
        address: str,
        *,
        mode: Mode = DEFAULT_MODE,
        max_message: int | str = MIB,
        reconnect: bool = False,
        ssl: SSLContext | None = None,
        server_hostname: str | None = None,
        max_queue: int | str = MAX_QUEUE,
        close_timeout: float = CLOSE_TIMEOUT,
        first_delay: float | None = None,
        longest_delay: float | None = None,
        on_connect: Callable[[Client], Awaitable[object] | object] | None = None,
        on_disconnect: Callable[[Exception | None], object] | None = None,
        default: Callable[[Any], Any] | None = None,
        ext_hook: Callable[[int, bytes], Any] | None = None,
        invalid_text: str = "close",
    ) -> None:
        self.address = Address.parse(address)
        self.framing = parameters.framing(mode)
        self.mode = self.framing.name
        self._max_message = parameters.size("max_message", max_message)
        self._max_queue = parameters.size("max_queue", max_queue)
        self._close_timeout = parameters.seconds("close_timeout", close_timeout)
        self._delays = Delays(first_delay, longest_delay)
        self._tls = parameters.tls(ssl, server_hostname, self.address.path)
        self._on_connect = parameters.callback("on_connect", on_connect, waits=True)
        self._on_disconnect = parameters.callback("on_disconnect", on_disconnect)
        self._default = parameters.default(self.framing, default)
        self.ext_hook: Callable[[int, bytes], Any] | None = parameters.callback("ext_hook", ext_hook)
        """Gives the values of msgpack's extension types in `message.value`; None: `msgpack.ExtType`."""
        self._invalid_text = parameters.invalid_text(invalid_text)
        self._framer = self._splitter()
        self._reconnect = reconnect
        self._loop: asyncio.AbstractEventLoop | None = None  # once it was entered
        self._connection: Connection | None = None
        self._greeting: Connection | None = None
        self._up = asyncio.Event()  # connected, or `_unsendable` says why never again
        self._unsendable = NOT_ENTERED
        self._dialing: asyncio.Task[None] | None = None
        self._redialing: asyncio.Task[None] | None = None
        self._burst = 0
        self._queue: deque[tuple[bytes, Splitter]] = deque()  # frames, and the splitter they came through
        self._queued = 0  # bytes
        self._messages: deque[Message[Client]] = deque()  # of the frames being taken
        self._arrived = asyncio.Event()  # something to take, or the end
        self._receiving = False  # a task waits for it
        self._ended = False
        self._error: Exception | None = None  # why, for who receives
        self._failure: Exception | None = None  # how the connection broke,
        self._told = False  # as the program knows

    def __repr__(self) -> str:
        return f"<Client of {self.address}, {self.mode}>"

    async def __aenter__(self) -> Client:
        if self._loop is not None or self._ended:
            state = "was closed cannot connect again" if self._ended else "was entered cannot be entered again"
            raise RuntimeError(f"a client that {state}; make another")
        self._loop = asyncio.get_running_loop()
        self._unsendable = ""
        self._dialing = self._loop.create_task(self._dial())
        try:
            await asyncio.wait([self._dialing])
            if self._dialing.cancelled():
                raise ConnectionError(f"cannot connect to {self.address}: {self._unsendable or 'cancelled'}")
            self._dialing.result()
        except BaseException:
            self._told = True
            await self.close()
            raise
        self._dialed()
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
        cannot be a message, ConnectionError if there is no connection, or it has ended.
        """
        await self.send_packed(self.framing.pack(value, self._default))

    async def send_packed(self, payload: bytes | bytearray | memoryview) -> None:
        """Sends `payload` as it is, in the msgpack modes exactly one packed object. Otherwise like `send`."""
        await self.send_frames(self._framer.frame(payload))

    async def send_frames(self, frames: bytes) -> None:
        """Sends complete frames, in wire form and unchecked, such as another splitter gave. Otherwise like
        `send`."""
        if type(frames) is not bytes:
            frames = memoryview(frames).tobytes()  # TypeError for what has no bytes
        if self._burst > BURST:
            self._burst = 0
            await asyncio.sleep(0)
        connection = await self._writable()
        self._burst += len(frames)
        connection.write(frames)

    async def finish(self) -> None:
        """Ends our side of the stream and waits until the system has taken all of it; receiving goes on.

        From here on the client does not reconnect. Raises ConnectionError if there is no connection or it broke, and
        `io.UnsupportedOperation` over TLS, which asyncio cannot half-close.
        """
        self._check_entered()
        if not self._unsendable:
            connection = await self._writable()
            if not connection.can_half_close:
                raise io.UnsupportedOperation("a TLS connection cannot be half-closed")
            self._reconnect = False
            self._stop_sending("finish() was called")
            connection.half_close()
        if self._connection:
            try:
                await self._connection.flushed()
            except ConnectionError:
                self._told = True
                raise

    async def close(self, *, linger: float = LINGER) -> None:
        """Ends the connection without loss of what was sent; messages that had arrived can still be received.

        Half-closes and gives the server `close_timeout` seconds to take what was sent, then a moment to read it, as
        long as that may take but at most `linger` seconds. Meanwhile it reads on, throwing away: unread data would
        make the system reset the connection, and what is still on its way with it. A client that sent nothing just
        closes. In another task it ends an `async with` that is still connecting. Once it is closed, it does nothing.

        Raises TimeoutError if the server did not take all that was sent, or ConnectionError if the connection broke
        and no call has said so: then part of it may be lost.
        """
        parameters.seconds("linger", linger)
        self._check_loop()
        self._reconnect = False
        self._stop_sending("the client was closed")
        self._stop_receiving(None)
        try:
            await self._stop_dialing()
        except BaseException:  # cancelled
            if self._connection:
                self._connection.abort()
            raise
        connection, self._connection = self._connection, None
        if connection:
            try:
                await connection.close(self._close_timeout, linger)
            except ConnectionError:
                if not self._told:
                    self._told = True
                    raise

    # --- receiving

    def __aiter__(self) -> Client:
        return self

    async def __anext__(self) -> Message[Client]:
        """The next message, its `peer` this client.

        Stops at the end of the stream. Raises FrameError if the server sent what cannot be a frame, OSError if the
        connection broke (after what had arrived; of a message that had begun, nothing) or was never made,
        RuntimeError while another task receives.
        """
        while not self._messages:
            batch = await self.receive_batch()
            if not batch:
                raise StopAsyncIteration
            self._messages.extend(batch)
        return self._messages.popleft()

    async def receive(self) -> Message[Client]:
        """The next message, as iteration gives it. Raises EOFError at the end of the stream."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise EOFError("the stream has ended") from None

    async def receive_batch(self) -> list[Message[Client]]:
        """The messages that came together next, at least one; none at the end of the stream.

        Faster than one by one for who can use many at a time. Raises like iteration.
        """
        self._check_entered()
        if self._receiving:
            raise RuntimeError("another task is receiving: one at a time can")
        if self._messages:
            batch = list(self._messages)
            self._messages.clear()
            return batch
        while not self._queue:
            if self._error:
                self._told = self._told or self._error is self._failure
                raise self._error
            if self._ended:
                return []
            self._arrived.clear()
            self._receiving = True
            try:
                await self._arrived.wait()
            finally:
                self._receiving = False
        frames, splitter = self._queue.popleft()
        self._queued -= len(frames)
        if self._connection and self._queued <= self._max_queue // 2:
            self._connection.resume_reading()
        return list(splitter.messages(frames, self))

    # --- what the connection tells

    def connected(self, connection: Connection) -> None:
        self._connection = connection
        if self._on_connect is None:
            self._up.set()

    def received(self, connection: Connection, frames: bytes) -> None:
        if self._ended:
            return
        self._queue.append((frames, connection.splitter))
        self._queued += len(frames)
        self._arrived.set()
        if self._queued >= self._max_queue:
            connection.pause_reading()

    def ended(self, connection: Connection, error: FrameError | None) -> None:
        if self._reconnect:
            self._up.clear()
        else:
            self._stop_sending("the server ended the stream")
            self._stop_receiving(error)

    def broken(self, connection: Connection, error: FrameError) -> None:
        # Another connection would not make it better: this ends the client, with `reconnect` too.
        self._stop_sending(f"the server sent an invalid {self.mode} message: {error}")
        self._stop_receiving(error)

    def lost(self, connection: Connection, error: Exception | None) -> None:
        if connection is self._connection:
            if not self._reconnect or self._ended:
                self._failure = error
                self._stop_sending(f"the connection was lost: {why(error) if error else 'closed'}")
                self._stop_receiving(error)
            else:
                self._connection = None
                self._up.clear()
                self._delays.stood(connection.age)
                if self._dialing is None and self._redialing is None:
                    self._redial(error)
                else:
                    self._failure = error  # for when that is done
        if self._on_disconnect:
            try:
                self._on_disconnect(error)
            except (Exception, asyncio.CancelledError):
                logger.exception("on_disconnect failed")

    # --- connecting

    def _splitter(self) -> Splitter:
        return self.framing.splitter(self._max_message, self._invalid_text)

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
                _, connection = await loop.create_unix_connection(self._make, at.path, **self._tls)
            else:
                _, connection = await loop.create_connection(self._make, at.host, at.port, **self._tls)
        except BaseException:
            self._connection = None  # cancelled just after it was made: the loop closes it, and need not say so
            raise
        if self._on_connect is not None:
            try:
                await self._greet(connection)
            except BaseException:
                if self._reconnect:  # else there is no other, and `close` ends it
                    self._connection = None
                    connection.abort()
                raise

    def _make(self) -> Connection:
        return Connection(self, self._splitter(), self._close_timeout)

    async def _greet(self, connection: Connection) -> None:
        self._greeting = connection
        token = _greeted.set(connection)
        try:
            greeting = self._on_connect(self)
            if isawaitable(greeting):
                await greeting
        except asyncio.CancelledError:
            if self._ended:  # it is `close` that cancelled
                raise
            raise RuntimeError("on_connect failed: something it waited for was cancelled") from None
        finally:
            _greeted.reset(token)
            self._greeting = None
        if not connection.open:
            raise ConnectionError(why(connection.error) if connection.error else "closed by the server")
        self._up.set()

    def _redial(self, error: Exception | None) -> None:
        assert self._loop is not None
        self._redialing = self._loop.create_task(self._dial_again(error))
        self._redialing.add_done_callback(self._redialed)

    async def _dial_again(self, error: Exception | None) -> None:
        try:
            reason = why(error) if error else "closed by the server"
            await self._pause(f"connection to {self.address} lost: {reason}")
            await self._dial()
        except Exception as failure:  # whatever it is, nobody else would see it
            self._stop_sending(f"cannot connect: {why(failure)}")
            self._stop_receiving(failure)

    def _redialed(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # by who cancels all tasks, if it was not `close`
            self._stop_sending(CANCELLED)
            self._stop_receiving(ConnectionError(CANCELLED))
        self._dialed()

    def _dialed(self) -> None:
        """A task that dials has done so; the connection may be lost again by now."""
        self._dialing = self._redialing = None
        if self._connection is None and self._reconnect and not self._ended:
            error, self._failure = self._failure, None
            self._redial(error)

    async def _stop_dialing(self) -> None:
        task = self._dialing or self._redialing
        if task is None or task.done():
            return
        task.cancel()
        if task is not asyncio.current_task():  # but `on_connect`, which is to end itself
            await asyncio.wait([task])

    async def _pause(self, why: str) -> None:
        delay = self._delays.next()
        logger.warning("%s; next try in %.2g s", why, delay)
        await asyncio.sleep(delay)

    # --- ends

    def _check_loop(self) -> None:
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise RuntimeError(f"{self!r} is used outside of the event loop it was entered in")

    def _check_entered(self) -> None:
        self._check_loop()
        if self._loop is None:
            raise ConnectionError(f"{self.address} is not connected: {NOT_ENTERED}")

    async def _writable(self) -> Connection:
        self._check_loop()
        greeted = _greeted.get()
        while True:
            if self._unsendable:
                self._told = self._told or self._failure is not None
                raise ConnectionError(f"cannot send to {self.address}: {self._unsendable}")
            greets = greeted is not None and greeted is self._greeting
            if greeted is not None and greets and not greeted.open:
                raise ConnectionError(f"cannot send to {self.address}: the connection was lost in on_connect")
            if self._connection is None or not (greets or self._up.is_set()):
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
