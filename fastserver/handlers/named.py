"""The handlers that a program names, by the kind of thing that they are called for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fastserver.errors import CloseReason
    from fastserver.framing import Message
    from fastserver.peers.peer import Peer

# The results of handlers are thrown away.
OnMessage = Callable[["Message[Peer]"], object]
OnMessages = Callable[[Sequence["Message[Peer]"]], object]
OnConnect = Callable[["Peer"], object]
OnDisconnect = Callable[["Peer", "CloseReason"], object]
OnError = Callable[["Peer", BaseException], object]

KINDS: Final = ("message", "messages", "connect", "disconnect", "error")


class Named:
    """The handlers of each kind, in the order in which they were named."""

    def __init__(self) -> None:
        self.message: list[OnMessage] = []
        self.messages: list[OnMessages] = []
        self.connect: list[OnConnect] = []
        self.disconnect: list[OnDisconnect] = []
        self.error: list[OnError] = []
        self.frozen = False
        """The server has started: no more handlers can be named."""
        self.takes_messages = False
        """Messages are handled rather than broadcast."""
        self.asynchronous = False
        """A coroutine function is among the handlers for messages and for peers that come."""
        self.parts_later = False
        """A coroutine function is among the handlers for peers that go."""

    def add(self, kind: str, handler: object) -> None:
        """Call `handler` for `kind`, one of `KINDS`, after those named before.

        Raises RuntimeError after the start, ValueError if messages are handled in the other way already, TypeError if
        `handler` cannot be called or calling it would do nothing.
        """
        named = "message" if kind == "messages" else kind
        if self.frozen:
            raise RuntimeError("handlers are named before the server starts")
        if (kind == "message" and self.messages) or (kind == "messages" and self.message):
            raise ValueError("there is a message handler already, of the other kind: one by one, or those of a read")
        if not callable(handler):
            raise TypeError(f"a {named} handler must be callable, not {type(handler).__name__}")
        if _is(inspect.isgeneratorfunction, handler) or _is(inspect.isasyncgenfunction, handler):
            raise TypeError(f"a {named} handler must not contain yield: {handler!r} is a generator function")
        getattr(self, kind).append(handler)
        self.takes_messages = bool(self.message or self.messages)
        while_connected = (*self.connect, *self.message, *self.messages, *self.error)
        self.asynchronous = any(map(is_async, while_connected))
        self.parts_later = any(map(is_async, (*self.disconnect, *self.error)))


def is_async(handler: object) -> bool:
    """True if calling `handler` makes a coroutine."""
    return _is(inspect.iscoroutinefunction, handler)


def _is(kind: Callable[[object], Any], handler: object) -> bool:
    """True if `handler`, or the function that it calls, is of that kind."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return bool(kind(handler) or kind(type(handler).__call__))
