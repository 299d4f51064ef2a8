"""A client for scripts: no event loop, plain sockets.

    with BlockingClient("127.0.0.1:3000", mode="msgpack") as client:
        client.send({"temperature": 21.5})
        for message in client:
            print(message.value)

It reads only when asked to: whoever sends much to a busy server receives now and then, or the server will
find it too slow a consumer.
"""

from __future__ import annotations

import io
import socket
import time
from collections import deque
from contextlib import suppress
from ssl import SSLContext, SSLSocket
from typing import Any, Final

import msgpack

from fastserver.address import Address
from fastserver.client import LINGER
from fastserver.connection import keep_alive, reset_on_close
from fastserver.errors import ConfigError, FrameError
from fastserver.framing import FRAMINGS, Message
from fastserver.setting import MIB

CHUNK: Final = 64 * 1024  # bytes read at once


class BlockingClient:
    """A connection to the server at `address`, used by one thread at a time.

    `address`, `mode`, `max_message`, `ssl` and `server_hostname` as in `fastserver.client.Client`. Connecting
    takes at most `timeout` seconds, None for as long as the system tries.

    Raises `ConfigError` for an address, mode or size that is not allowed, OSError if it cannot connect.
    """

    def __init__(
        self,
        address: str,
        *,
        mode: str = "lines",
        max_message: int = MIB,
        timeout: float | None = None,
        ssl: SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> None:
        self.address = Address.parse(address)
        if mode not in FRAMINGS:
            raise ConfigError(f"mode {mode!r} is not allowed; allowed is one of {', '.join(FRAMINGS)}")
        if max_message < 1:
            raise ConfigError(f"max_message {max_message!r} is not allowed; allowed is 1 or more bytes")
        self.mode = mode
        self._splitter = FRAMINGS[mode].splitter(max_message)
        self._messages: deque[Message] = deque()
        self._error: FrameError | None = None
        self._ended = self._sent = False
        self._socket = _connected(self.address, timeout)
        try:
            keep_alive(self._socket)
            if ssl:
                self._socket = ssl.wrap_socket(
                    self._socket, server_hostname=server_hostname or self.address.host or None
                )
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, value: Any) -> None:
        """Sends `value` as one message: bytes-like in lines mode, else anything `msgpack.packb` takes.

        Waits until the system has taken it. Raises TypeError or ValueError for what cannot be a message,
        OSError if the connection broke.
        """
        self.send_packed(value if self.mode == "lines" else msgpack.packb(value))

    def send_packed(self, payload: bytes | bytearray | memoryview) -> None:
        """Sends `payload` as it is, in the msgpack modes exactly one packed object. Otherwise like `send`."""
        frame = self._splitter.frame(payload)
        self._sent = True
        try:
            self._socket.settimeout(None)
            self._socket.sendall(frame)
        except BaseException:  # Ctrl-C as well: part of a message has gone, and nothing can follow it
            self._abort()
            raise

    def receive(self, timeout: float | None = None) -> Message:
        """The next message, its `peer` this client; waits at most `timeout` seconds for it, None for ever.

        Raises TimeoutError if none came in time (a later call can go on), EOFError at the end of the stream,
        FrameError if the server sent what cannot be a frame, OSError if the connection broke.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._messages:
            if self._error:
                raise self._error
            if self._ended:
                raise EOFError(f"{self.address} ended the stream")
            self._read(deadline)
        return self._messages.popleft()

    def __iter__(self) -> BlockingClient:
        return self

    def __next__(self) -> Message:
        """The next message; stops at the end of the stream. Raises like `receive`."""
        try:
            return self.receive()
        except EOFError:
            raise StopIteration from None

    def finish(self) -> None:
        """Ends our side of the stream; receiving goes on. Raises OSError if the connection broke, and
        `io.UnsupportedOperation` over TLS, which has no half-close."""
        if isinstance(self._socket, SSLSocket):
            raise io.UnsupportedOperation("a TLS connection cannot be half-closed")
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Ends the connection without loss of what was sent: half-closes, then reads on, throwing away, until
        the server ends its side or for 1 s. One that sent nothing just closes. Never raises OSError."""
        with suppress(OSError), self._socket:
            if self._sent and not self._ended:
                deadline = time.monotonic() + LINGER
                self._socket.settimeout(LINGER)
                if isinstance(self._socket, SSLSocket):
                    self._socket.unwrap()
                else:
                    self._socket.shutdown(socket.SHUT_WR)
                while time.monotonic() < deadline and self._receive_some(deadline):
                    pass
        self._ended = True

    def _read(self, deadline: float | None) -> None:
        try:
            data = self._receive_some(deadline)
            self._ended = not data
            frames = self._splitter.feed(data) if data else self._splitter.finish()
        except FrameError as error:
            self._error = error
            frames = error.frames
        self._messages.extend(self._splitter.messages(frames, self))

    def _receive_some(self, deadline: float | None) -> bytes:
        # 0 would make the socket non-blocking, whose errors are others.
        self._socket.settimeout(None if deadline is None else max(1e-6, deadline - time.monotonic()))
        return self._socket.recv(CHUNK)

    def _abort(self) -> None:
        with suppress(OSError), self._socket:
            reset_on_close(self._socket)
        self._ended = True


def _connected(address: Address, timeout: float | None) -> socket.socket:
    if address.path is None:
        return socket.create_connection((address.host, address.port), timeout)
    made = socket.socket(socket.AF_UNIX)
    try:
        made.settimeout(timeout)
        made.connect(address.path)
    except BaseException:
        made.close()
        raise
    return made
