"""A client for scripts: no event loop, plain sockets.

    with BlockingClient("127.0.0.1:3000", mode="msgpack") as client:
        client.send({"temperature": 21.5})
        for message in client:
            print(message.value)

The client reads only when asked to: a program that sends much to a busy server has to receive now and then, or the
server finds it too slow a consumer.
"""

from __future__ import annotations

import io
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext, SSLEOFError, SSLSocket
from types import TracebackType
from typing import Any

from fastserver.client import blockingsocket
from fastserver.client.address import Address
from fastserver.client.blockingdialer import BlockingDialer
from fastserver.client.client import CLOSE_TIMEOUT, LINGER
from fastserver.client.connection import reset_on_close
from fastserver.client.delays import Delays
from fastserver.client.failure import may_be_lost, why
from fastserver.client.leaving import leave
from fastserver.client.wireform import WireForm
from fastserver.config import parameters
from fastserver.config.setting import MIB
from fastserver.errors import FrameError
from fastserver.framing import Message
from fastserver.framing.registry import DEFAULT_MODE, Mode


class BlockingClient:
    """A connection to the server at `address`, used by one thread at a time.

    `address`, `mode`, `max_message`, `ssl`, `server_hostname`, `close_timeout`, `default`, `ext_hook` and
    `invalid_text` as in `fastserver.Client`. Connecting takes at most `timeout` seconds, None for as long as the
    system tries.

    With `reconnect`, a connection that cannot be made, or is found lost when it is used, is made again, after
    `first_delay` to `longest_delay` seconds as in `Client`. Messages that were under way are not sent again.

    Raises `ConfigError` for a parameter that is not allowed, OSError if it cannot connect.
    """

    def __init__(
        self,
        address: str,
        *,
        mode: Mode = DEFAULT_MODE,
        max_message: int | str = MIB,
        timeout: float | None = None,
        ssl: SSLContext | None = None,
        server_hostname: str | None = None,
        close_timeout: float = CLOSE_TIMEOUT,
        reconnect: bool = False,
        first_delay: float | None = None,
        longest_delay: float | None = None,
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
        self._close_timeout = parameters.seconds("close_timeout", close_timeout)
        parameters.tls(ssl, server_hostname, self.address.path)
        self._dialer = BlockingDialer(
            self.address,
            None if timeout is None else parameters.seconds("timeout", timeout),
            ssl,
            server_hostname or self.address.host or None,
            Delays(first_delay, longest_delay),
            reconnect,
        )
        self._messages: deque[Message[BlockingClient]] = deque()
        self._socket: socket.socket | None = None
        self._splitter = self._form.splitter()  # of the connection
        self._sent = 0  # bytes, on this connection
        self._sent_at = 0.0  # as the monotonic clock has it
        self._ended = False  # the stream, by the server
        self._closed = False
        self._error: Exception | None = None  # the error that ended the conversation,
        self._told = False  # which the program knows of
        self._connect(None)

    def __repr__(self) -> str:
        return f"<BlockingClient of {self.address}, {self.mode}>"

    def __enter__(self) -> BlockingClient:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except OSError:
            if error is None:  # else it would hide that one
                raise

    def fileno(self) -> int:
        """The descriptor of the connection, for `select` and the like; -1 while there is none. Readable when `receive`
        has something to do, unless messages that came together with others wait already."""
        return -1 if self._socket is None else self._socket.fileno()

    def send(self, value: Any) -> None:
        """Sends `value` as one message: bytes-like in lines mode, else anything `msgpack.packb` takes.

        Waits until the system has taken it. Raises TypeError or ValueError for what cannot be a message, OSError if the
        connection broke: the message may be lost. With `reconnect` the next call connects again.
        """
        self._send(self._form.frame(value))

    def send_packed(self, payload: bytes | bytearray | memoryview) -> None:
        """Sends `payload` as it is, in the msgpack modes exactly one packed object. Otherwise like `send`."""
        self._send(self._form.frame_packed(payload))

    def receive(self, timeout: float | None = None) -> Message[BlockingClient]:
        """The next message, its `peer` this client; waits at most `timeout` seconds for it, None for ever.

        Raises TimeoutError if none came in time (a later call can go on), EOFError at the end of the stream,
        FrameError if the server sent an invalid message, ConnectionError if the connection broke (after the messages
        that had arrived whole). With `reconnect` it goes on with the next connection instead of EOFError and
        ConnectionError.
        """
        deadline = None if timeout is None else time.monotonic() + parameters.seconds("timeout", timeout)
        while not self._messages:
            if self._error:
                self._told = True
                raise self._error
            if self._closed or self._ended:
                raise EOFError("the client was closed" if self._closed else f"{self.address} ended the stream")
            if self._socket is None:
                self._connect(deadline)
            else:
                self._read(self._socket, deadline)
        return self._messages.popleft()

    def __iter__(self) -> BlockingClient:
        return self

    def __next__(self) -> Message[BlockingClient]:
        """The next message; stops at the end of the stream. Raises like `receive`."""
        try:
            return self.receive()
        except EOFError:
            raise StopIteration from None

    def finish(self) -> None:
        """Ends our side of the stream; receiving goes on, but it does not connect again. Raises OSError if the
        connection broke, and `io.UnsupportedOperation` over TLS, which has no half-close."""
        if isinstance(self._socket, SSLSocket):
            raise io.UnsupportedOperation("a TLS connection cannot be half-closed")
        sock = self._sendable()
        self._dialer.reconnect = False
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._broke(error)
            raise

    def close(self) -> None:
        """Ends the connection without loss of the messages sent. A second call does nothing.

        Half-closes, gives the server `close_timeout` seconds to take all messages, and then a moment to read them, 1 s
        at most; meanwhile the client reads on, throwing away. A client that sent nothing just closes. Raises
        TimeoutError if the server did not take all that was sent, ConnectionError if the connection broke and no call
        has said so: then part of it may be lost.
        """
        if self._closed:
            return
        self._closed = True
        sock, self._socket = self._socket, None
        if sock is not None:
            with sock:
                if self._sent:
                    try:
                        leave(sock, self._ended, self._sent, self._sent_at, self._close_timeout, LINGER)
                    except ConnectionError as error:
                        raise may_be_lost(error) from None
        elif self._error and not self._told and not isinstance(self._error, FrameError):
            raise may_be_lost(self._error)

    # --- using the connection

    def _connect(self, deadline: float | None) -> None:
        self._socket = self._dialer.connect(deadline)
        self._splitter = self._form.splitter()
        self._sent = 0

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionError(f"{self.address} is not connected: the client was closed")

    def _send(self, frame: bytes) -> None:
        sock = self._sendable()
        self._sent += len(frame)
        self._sent_at = time.monotonic()
        try:
            sock.settimeout(None)
            sock.sendall(frame)
        except BaseException as error:  # Ctrl-C as well: part of a message has gone, and nothing can follow it
            self._broke(error)
            raise

    def _sendable(self) -> socket.socket:
        self._check_open()
        if self._dialer.reconnect and self._socket is not None and blockingsocket.has_ended(self._socket):
            self._read_out(self._socket)
        if self._socket is None:
            if not self._dialer.reconnect or self._error:
                self._told = True
                reason = why(self._error) if self._error else "the server ended the stream"
                raise ConnectionError(f"cannot send to {self.address}: the connection was lost: {reason}")
            self._connect(None)
        assert self._socket is not None
        return self._socket

    def _read(self, sock: socket.socket, deadline: float | None) -> None:
        try:
            data = blockingsocket.receive(sock, deadline)
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:
                raise  # our own deadline
            if self._splitter.held or not isinstance(error, SSLEOFError):
                self._part(sock, error)
                return
            data = b""  # TLS did not confirm the end of the stream, which no message is missing from
        if data:
            self._take(sock, data)
        else:
            self._take_end(sock)

    def _take(self, sock: socket.socket, data: bytes) -> None:
        try:
            frames = self._splitter.feed(data)
        except FrameError as error:
            self._error = error
            frames = error.frames
        self._messages.extend(self._splitter.messages(frames, self))

    def _take_end(self, sock: socket.socket) -> None:
        try:
            self._messages.extend(self._splitter.messages(self._splitter.finish(), self))
        except FrameError as error:
            self._error = error
        if self._dialer.reconnect and not self._error:
            self._part(sock, None)
        else:
            self._ended = True

    def _broke(self, error: BaseException) -> None:
        """A call failed with `error`, which the program is told of."""
        sock = self._socket
        assert sock is not None
        if isinstance(error, OSError):
            self._read_out(sock, error)
        else:
            reset_on_close(sock)
            self._part(sock, ConnectionError(f"a message was not sent to its end: {type(error).__name__}"))
        self._told = True

    def _read_out(self, sock: socket.socket, error: OSError | None = None) -> None:
        """Takes what had arrived, and parts with a connection that has ended, or in which sending met `error`."""
        ended = isinstance(sock, SSLSocket)
        with suppress(OSError):
            sock.setblocking(False)
            while not ended and not self._error and (data := sock.recv(blockingsocket.CHUNK)):
                self._take(sock, data)
            # A reset is told only once, to the write that failed; that was told of a broken pipe instead if the server
            # had ended its side before.
            if not ended and not self._error and (error is None or isinstance(error, BrokenPipeError)):
                error = None
                self._take_end(sock)
        if self._socket is not None:
            self._part(sock, error)

    def _part(self, sock: socket.socket, error: OSError | None) -> None:
        """Closes a connection that has ended, with `error` if that was not in order; there may be another."""
        sock.close()
        self._socket = None
        if self._error:
            return
        if self._dialer.reconnect:
            self._dialer.lost(error)
        elif error:
            # The system's own time-out becomes a ConnectionError too: no later call can go on from it.
            self._error = error if isinstance(error, ConnectionError) else ConnectionError(why(error))
