"""A client for asyncio programs, under uvloop or the standard event loop.

    async with Client("127.0.0.1:3000", mode="msgpack") as client:
        await client.send({"temperature": 21.5})
        async for message in client:
            print(message.value)

Messages that `send` took arrive whole and in order, at most once: those that a connection had not delivered when it
broke are not sent again by the next, since nobody can know how many of them arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from ssl import SSLContext
from types import TracebackType
from typing import Any, Final

from fastserver.client.address import Address
from fastserver.client.conversation import NOT_ENTERED, Conversation
from fastserver.client.delays import Delays
from fastserver.client.wireform import WireForm
from fastserver.config import parameters
from fastserver.config.setting import MIB
from fastserver.framing import Message
from fastserver.framing.registry import DEFAULT_MODE, Mode

MAX_QUEUE: Final = MIB  # bytes: several times what one read brings, so that a fast program never waits
CLOSE_TIMEOUT: Final = 5.0  # seconds, as the server's drain
LINGER: Final = 1.0  # seconds: a server may keep a half-closed connection for its own reasons much longer
BURST: Final = 64 * 1024  # bytes: a task that only sends lets others run at least this often


class Client:
    """A conversation with the server at `address`; `async with` begins it, once.

    `address` is `host:port`, `[::1]:port` or `unix:path`; `mode` a framing by name; `max_message` the longest
    payload in bytes, either way, as a number or as text such as "64KiB". `ssl` is passed on to asyncio, as is
    `server_hostname`, which a Unix socket needs with it. `default` is for `msgpack.packb`: it turns a value that
    msgpack cannot pack into one it can; `ext_hook` is called with type and data of an extension type, and gives its
    value in `message.value`. `invalid_text` decides about a msgpack message with a str that is not UTF-8, either way:
    `close` ends the client (the server's default too), with `pass` its bytes are surrogates in `message.value`.

    `max_queue` is the number of bytes of messages that may wait for the program: at that many reading stops until half
    are taken, and the server waits. `close_timeout` is the number of seconds that `close` gives the server to take the
    messages sent. With `reconnect`, a connection that cannot be made or is lost is made again, after
    `first_delay` seconds, then twice as many each time, up to `longest_delay`, for as long as the client is open.

    `on_connect(client)`, async or not, is called after each connect, before anything that waits to be sent: messages
    that it sends, such as a login, go first. If it raises, `async with` does; later on the client ends with that error.
    OSError, and a connection that is lost meanwhile, is a failure to connect instead. `on_disconnect(error)`, not
    async, is called after each connection, with None if it ended in order.

    Raises `ConfigError` for a parameter that is not allowed; `async with` raises OSError if it cannot connect,
    RuntimeError if it is entered again. A client belongs to the event loop in which it is entered: elsewhere
    RuntimeError.
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
        self._form = WireForm(mode, max_message, default, invalid_text)
        self.framing = self._form.framing
        self.mode = self.framing.name
        self.ext_hook: Callable[[int, bytes], Any] | None = parameters.callback("ext_hook", ext_hook)
        """Gives the values of msgpack's extension types in `message.value`; None: `msgpack.ExtType`."""
        greet = parameters.callback("on_connect", on_connect, waits=True)
        self._conversation = Conversation(
            self.address,
            self._form,
            self,
            max_queue=parameters.size("max_queue", max_queue),
            patience=parameters.seconds("close_timeout", close_timeout),
            tls=parameters.tls(ssl, server_hostname, self.address.path),
            delays=Delays(first_delay, longest_delay),
            reconnect=reconnect,
            on_connect=None if greet is None else partial(greet, self),
            on_disconnect=parameters.callback("on_disconnect", on_disconnect),
        )
        self._ready = self._conversation.incoming.ready
        self._loop: asyncio.AbstractEventLoop | None = None  # once it was entered
        self._burst = 0  # bytes sent since other tasks could run

    def __repr__(self) -> str:
        return f"<Client of {self.address}, {self.mode}>"

    async def __aenter__(self) -> Client:
        ended = self._conversation.incoming.ended
        if self._loop is not None or ended:
            state = "was closed cannot connect again" if ended else "was entered cannot be entered again"
            raise RuntimeError(f"a client that {state}; make another")
        self._loop = asyncio.get_running_loop()
        try:
            await self._conversation.begin()
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

        Waits while the server does not take earlier messages, and with `reconnect` while there is no
        connection. A call that is cancelled while it waits has sent nothing. Raises TypeError or ValueError for a
        value that cannot be a message, ConnectionError if there is no connection, or it has ended.
        """
        await self.send_frames(self._form.frame(value))

    async def send_packed(self, payload: bytes | bytearray | memoryview) -> None:
        """Sends `payload` as it is, in the msgpack modes exactly one packed object. Otherwise like `send`."""
        await self.send_frames(self._form.frame_packed(payload))

    async def send_frames(self, frames: bytes) -> None:
        """Sends complete frames, in wire form and unchecked, such as another splitter gave. Otherwise like `send`."""
        if type(frames) is not bytes:
            frames = memoryview(frames).tobytes()  # TypeError for what has no bytes
        self._check_loop()
        if self._burst > BURST:
            self._burst = 0
            await asyncio.sleep(0)
        connection = await self._conversation.writable()
        self._burst += len(frames)
        connection.write(frames)

    async def finish(self) -> None:
        """Ends our side of the stream and waits until the system has taken all of it; receiving goes on.

        From here on the client does not reconnect. Raises ConnectionError if there is no connection or it broke, and
        `io.UnsupportedOperation` over TLS, which asyncio cannot half-close.
        """
        self._check_entered()
        await self._conversation.finish()

    async def close(self, *, linger: float = LINGER) -> None:
        """Ends the connection without loss of what was sent; messages that had arrived can still be received.

        Half-closes and gives the server `close_timeout` seconds to take all messages, then a moment to read them, as
        long as that may take but at most `linger` seconds. Meanwhile the client reads on, throwing away: unread data
        would make the system reset the connection, and with it messages that are still on their way. A client that
        sent nothing just closes. A call in another task ends an `async with` that is still connecting. A second call
        does nothing.

        Raises TimeoutError if the server did not take all that was sent, or ConnectionError if the connection broke
        and no call has said so: then part of it may be lost.
        """
        parameters.seconds("linger", linger)
        self._check_loop()
        await self._conversation.end(linger)

    # --- receiving

    def __aiter__(self) -> Client:
        return self

    async def __anext__(self) -> Message[Client]:
        """The next message, its `peer` this client.

        Stops at the end of the stream. Raises FrameError if the server sent an invalid message, OSError if the
        connection broke (after the messages that had arrived whole) or was never made, RuntimeError while another task
        receives.
        """
        ready = self._ready
        while not ready:
            batch = await self.receive_batch()
            if not batch:
                raise StopAsyncIteration
            ready.extend(batch)
        return ready.popleft()

    async def receive(self) -> Message[Client]:
        """The next message, as iteration gives it. Raises EOFError at the end of the stream."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise EOFError("the stream has ended") from None

    async def receive_batch(self) -> list[Message[Client]]:
        """The messages that came together next, at least one; none at the end of the stream.

        Faster than one by one, for programs that can use many at a time. Raises like iteration.
        """
        self._check_entered()
        return await self._conversation.batch()

    # --- the event loop

    def _check_loop(self) -> None:
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise RuntimeError(f"{self!r} is used outside of the event loop it was entered in")

    def _check_entered(self) -> None:
        self._check_loop()
        if self._loop is None:
            raise ConnectionError(f"{self.address} is not connected: {NOT_ENTERED}")


connect = Client
"""`Client` as a verb: `async with connect(…) as client`."""
