"""The greeting: what a program does on each connection of its client before anything that waits to be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from inspect import isawaitable

from fastserver.client.connection import Connection
from fastserver.client.failure import why

_greeted: ContextVar[Connection | None] = ContextVar("greeted", default=None)
"""The connection that this task, or one that it began, greets."""


class Greeting:
    """Calls `on_connect`, which may be async. `ended` is true once the client has ended."""

    def __init__(self, on_connect: Callable[[], object], ended: Callable[[], bool]) -> None:
        self._on_connect = on_connect
        self._ended = ended
        self._connection: Connection | None = None  # the one greeted now

    async def greet(self, connection: Connection) -> None:
        """Calls `on_connect` for `connection`. Raises its error, and ConnectionError if the connection ended."""
        self._connection = connection
        token = _greeted.set(connection)
        try:
            greeting = self._on_connect()
            if isawaitable(greeting):
                await greeting
        except asyncio.CancelledError:
            if self._ended():  # `close` cancelled it
                raise
            raise RuntimeError("on_connect failed: something it waited for was cancelled") from None
        finally:
            _greeted.reset(token)
            self._connection = None
        if not connection.open:
            raise ConnectionError(why(connection.error) if connection.error else "closed by the server")

    def greeted(self) -> Connection | None:
        """The connection that the task which asks is greeting now; None if it greets none."""
        greeted = _greeted.get()
        return greeted if greeted is self._connection else None
