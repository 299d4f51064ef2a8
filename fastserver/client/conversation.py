"""The conversation of a client with its server, over one connection or, with `reconnect`, over several in turn."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable
from typing import Any, Final, Generic

from fastserver.client.address import Address
from fastserver.client.connection import Connection
from fastserver.client.delays import Delays
from fastserver.client.dialer import Dialer
from fastserver.client.failure import why
from fastserver.client.greeting import Greeting
from fastserver.client.incoming import Incoming, P
from fastserver.client.wireform import WireForm
from fastserver.errors import FrameError
from fastserver.framing import Message

NOT_ENTERED: Final = "`async with` has not connected the client"

logger = logging.getLogger("fastserver.client")


class Conversation(Generic[P]):
    """Sends over the connection that there is, and receives messages, each from `peer`. The owner of its connections.

    `tls` are the arguments for asyncio that concern TLS; `patience` is the number of seconds that the server has to
    take all messages once a connection ends. `on_connect` is called on each connection before anything that waits to be
    sent, `on_disconnect` after each, with the error if it did not end in order.
    """

    def __init__(
        self,
        address: Address,
        form: WireForm,
        peer: P,
        *,
        max_queue: int,
        patience: float,
        tls: dict[str, Any],
        delays: Delays,
        reconnect: bool,
        on_connect: Callable[[], object] | None,
        on_disconnect: Callable[[Exception | None], object] | None,
    ) -> None:
        self.incoming = Incoming(form.framing, peer, max_queue, self._relieved)
        self._address = address
        self._form = form
        self._patience = patience
        self._greeting = None if on_connect is None else Greeting(on_connect, lambda: self.incoming.ended)
        self._on_disconnect = on_disconnect
        self._up = asyncio.Event()  # connected, or `_unsendable` says why never again
        self._unsendable = NOT_ENTERED
        self._dialer = Dialer(
            address, tls, delays, reconnect, self._new_connection, self._greeting, self._up.set, self._give_up
        )
        self._failure: Exception | None = None  # the error that ended the connection,
        self._told = False  # which the program knows of

    @property
    def connection(self) -> Connection | None:
        """The connection there is, greeted or not."""
        return self._dialer.connection

    async def begin(self) -> None:
        """Connects. Raises OSError if that cannot be done, or was called off by `end`."""
        self._unsendable = ""
        try:
            if not await self._dialer.connect():
                raise ConnectionError(f"cannot connect to {self._address}: {self._unsendable or 'cancelled'}")
        except BaseException:
            self._told = True
            raise

    async def writable(self) -> Connection:
        """The connection, once it takes more to send. Raises ConnectionError if there never will be one."""
        while True:
            if self._unsendable:
                self._told = self._told or self._failure is not None
                raise ConnectionError(f"cannot send to {self._address}: {self._unsendable}")
            greeted = self._greeting and self._greeting.greeted()
            if greeted and not greeted.open:
                raise ConnectionError(f"cannot send to {self._address}: the connection was lost in on_connect")
            connection = self._dialer.connection
            if connection is None or not (greeted or self._up.is_set()):
                await self._up.wait()
            elif connection.writable.is_set():
                return connection
            else:
                await connection.writable.wait()

    async def batch(self) -> list[Message[P]]:
        """The messages that came together next, at least one; none at the end of the stream. Raises `Incoming`'s
        errors."""
        try:
            return await self.incoming.batch()
        except Exception as error:
            self._told = self._told or error is self._failure
            raise

    async def finish(self) -> None:
        """Ends our side of the stream and waits until the system has taken all of it; there is no other connection.

        Raises ConnectionError if there is no connection or it broke, and `io.UnsupportedOperation` over TLS.
        """
        if not self._unsendable:
            connection = await self.writable()
            if not connection.can_half_close:
                raise io.UnsupportedOperation("a TLS connection cannot be half-closed")
            self._dialer.reconnect = False
            self._stop_sending("finish() was called")
            connection.half_close()
        if self._dialer.connection:
            try:
                await self._dialer.connection.flushed()
            except ConnectionError:
                self._told = True
                raise

    async def end(self, linger: float) -> None:
        """Ends the connection, or connecting, without loss of what was sent: see `Client.close`."""
        self._stop_sending("the client was closed")
        self._stop_receiving(None)
        try:
            await self._dialer.stop()
        except BaseException:  # cancelled
            if self._dialer.connection:
                self._dialer.connection.abort()
            raise
        connection, self._dialer.connection = self._dialer.connection, None
        if connection:
            try:
                await connection.close(self._patience, linger)
            except ConnectionError:
                if not self._told:
                    self._told = True
                    raise

    # --- told by the connection

    def connected(self, connection: Connection) -> None:
        self._dialer.connection = connection
        if self._greeting is None:
            self._up.set()

    def received(self, connection: Connection, frames: bytes) -> None:
        if not self.incoming.ended and self.incoming.add(frames):
            connection.pause_reading()

    def ended(self, connection: Connection, error: FrameError | None) -> None:
        if self._dialer.reconnect:
            self._up.clear()
        else:
            self._stop_sending("the server ended the stream")
            self._stop_receiving(error)

    def broken(self, connection: Connection, error: FrameError) -> None:
        # Another connection would not make it better: this ends the client, with `reconnect` too.
        self._stop_sending(f"the server sent an invalid {self._form.framing.name} message: {error}")
        self._stop_receiving(error)

    def lost(self, connection: Connection, error: Exception | None) -> None:
        if connection is self._dialer.connection:
            if self._dialer.reconnect:
                self._up.clear()
                self._dialer.lost(connection, error)
            else:
                self._failure = error
                self._stop_sending(f"the connection was lost: {why(error) if error else 'closed'}")
                self._stop_receiving(error)
        if self._on_disconnect:
            try:
                self._on_disconnect(error)
            except (Exception, asyncio.CancelledError):
                logger.exception("on_disconnect failed")

    # --- for the dialer and the queue

    def _new_connection(self) -> Connection:
        return Connection(self, self._form.splitter(), self._patience)

    def _give_up(self, why: str, error: Exception) -> None:
        self._stop_sending(why)
        self._stop_receiving(error)

    def _relieved(self) -> None:
        if self._dialer.connection:
            self._dialer.connection.resume_reading()

    # --- ends

    def _stop_sending(self, why: str) -> None:
        self._unsendable = self._unsendable or why
        self._up.set()

    def _stop_receiving(self, error: Exception | None) -> None:
        self._dialer.reconnect = False
        self.incoming.end(error)
