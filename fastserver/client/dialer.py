"""The dialer: makes the connection of a client, and another one whenever that is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from fastserver.client.address import Address
from fastserver.client.connection import Connection
from fastserver.client.delays import Delays
from fastserver.client.failure import why
from fastserver.client.greeting import Greeting

CANCELLED: Final = "connecting again was cancelled"

logger = logging.getLogger("fastserver.client")


class Dialer:
    """Connects to `address`, for as long as `reconnect` is set again and again, after `delays`.

    `make` makes the protocol of a connection. It is greeted, and then `ready` is called. `gave_up` is called with the
    reason, in words and as an error, when a connection that was lost cannot be made again.
    """

    def __init__(
        self,
        address: Address,
        tls: dict[str, Any],
        delays: Delays,
        reconnect: bool,
        make: Callable[[], Connection],
        greeting: Greeting | None,
        ready: Callable[[], None],
        gave_up: Callable[[str, Exception], None],
    ) -> None:
        self.connection: Connection | None = None
        """The connection there is, greeted or not."""
        self.reconnect = reconnect
        self._address = address
        self._tls = tls
        self._delays = delays
        self._make = make
        self._greeting = greeting
        self._ready = ready
        self._gave_up = gave_up
        self._task: asyncio.Task[None] | None = None  # dials
        self._error: Exception | None = None  # of a connection that was lost while the task dialed

    @property
    def dialing(self) -> bool:
        """True while a connection is made, or waited for."""
        return self._task is not None

    async def connect(self) -> bool:
        """Makes the first connection. False if it was cancelled by `stop`; raises OSError if it cannot be made."""
        self._task = asyncio.get_running_loop().create_task(self._dial())
        await asyncio.wait([self._task])
        if self._task.cancelled():
            return False
        self._task.result()
        self._dialed()
        return True

    def lost(self, connection: Connection, error: Exception | None) -> None:
        """Makes another connection in the place of `connection`, which was lost."""
        self.connection = None
        self._delays.stood(connection.age)
        if self._task is None:
            self._dial_again(error)
        else:
            self._error = error

    async def stop(self) -> None:
        """Cancels what is under way, and waits until it has ended."""
        task = self._task
        if task is None or task.done():
            return
        task.cancel()
        if task is not asyncio.current_task():  # else `on_connect` called this, and has to end itself
            await asyncio.wait([task])

    async def _dial(self) -> None:
        """Connects; with `reconnect` tries until it can."""
        while True:
            try:
                return await self._dial_once()
            except OSError as error:
                if not self.reconnect:
                    raise
                await self._pause(f"cannot connect to {self._address}: {why(error)}")

    async def _dial_once(self) -> None:
        loop, at = asyncio.get_running_loop(), self._address
        try:
            if at.path is not None:
                _, connection = await loop.create_unix_connection(self._make, at.path, **self._tls)
            else:
                _, connection = await loop.create_connection(self._make, at.host, at.port, **self._tls)
        except BaseException:
            self.connection = None  # cancelled just after it was made: the loop closes it, and need not say so
            raise
        if self._greeting is None:
            return
        try:
            await self._greeting.greet(connection)
        except BaseException:
            if self.reconnect:  # else there is no other, and closing the client ends it
                self.connection = None
                connection.abort()
            raise
        self._ready()

    def _dial_again(self, error: Exception | None) -> None:
        self._task = asyncio.get_running_loop().create_task(self._redial(error))
        self._task.add_done_callback(self._redialed)

    async def _redial(self, error: Exception | None) -> None:
        try:
            reason = why(error) if error else "closed by the server"
            await self._pause(f"connection to {self._address} lost: {reason}")
            await self._dial()
        except Exception as failure:  # whatever it is, nobody else would see it
            self._gave_up(f"cannot connect: {why(failure)}", failure)

    def _redialed(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # by a program that cancels all tasks, if it was not `stop`
            self._gave_up(CANCELLED, ConnectionError(CANCELLED))
        self._dialed()

    def _dialed(self) -> None:
        """A task has dialed; its connection may be lost again by now."""
        self._task = None
        if self.connection is None and self.reconnect:
            error, self._error = self._error, None
            self._dial_again(error)

    async def _pause(self, why: str) -> None:
        delay = self._delays.next()
        logger.warning("%s; next try in %.2g s", why, delay)
        await asyncio.sleep(delay)
