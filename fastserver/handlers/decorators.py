"""The decorators by which a program names its handlers."""

from __future__ import annotations

from typing import TypeVar

from fastserver.handlers.named import KINDS, Named, OnConnect, OnDisconnect, OnError, OnMessage, OnMessages

M = TypeVar("M", bound=OnMessage)
L = TypeVar("L", bound=OnMessages)
C = TypeVar("C", bound=OnConnect)
D = TypeVar("D", bound=OnDisconnect)
E = TypeVar("E", bound=OnError)


class Decorators:
    """The decorators of a server, one for each kind of handler.

    Handlers are plain functions (the fast path) or coroutine functions; several of one kind are called in the order in
    which they were named. All decorators raise RuntimeError after the start, and TypeError for an object that cannot be
    called, or a function that would do nothing when it is called.
    """

    def __init__(self, handlers: Named) -> None:
        """Add to `handlers`. Raises TypeError if a subclass has taken the name of a decorator for a method."""
        for kind in KINDS:
            if getattr(type(self), f"on_{kind}") is not getattr(Decorators, f"on_{kind}"):
                raise TypeError(
                    f"{type(self).__name__} must not define on_{kind}, which names handlers and is none: in __init__, "
                    f"after super().__init__(…), call self.on_{kind}(…) with a method of another name"
                )
        self._named = handlers

    def on_message(self, handler: M) -> M:
        """Call `handler(message)` for each message, which is then broadcast only if the handler does it.

        Raises ValueError if there are `on_messages` handlers.
        """
        self._named.add("message", handler)
        return handler

    def on_messages(self, handler: L) -> L:
        """Call `handler(messages)` with the messages of one read, a sequence of at most 500, instead of one by one.

        Raises ValueError if there are `on_message` handlers.
        """
        self._named.add("messages", handler)
        return handler

    def on_connect(self, handler: C) -> C:
        """Call `handler(peer)` before the first message of a peer is handled."""
        self._named.add("connect", handler)
        return handler

    def on_disconnect(self, handler: D) -> D:
        """Call `handler(peer, reason)` after the last message was handled; the reason is a `CloseReason`."""
        self._named.add("disconnect", handler)
        return handler

    def on_error(self, handler: E) -> E:
        """Call `handler(peer, error)` when another handler raised `error`, after the error is logged and counted."""
        self._named.add("error", handler)
        return handler
