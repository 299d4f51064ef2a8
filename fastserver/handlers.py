"""The user's handlers, and how they are called.

Rules: the connect handler ends before the first message is handled, messages of one peer are handled one after
another, the disconnect handler comes once after the last. Plain functions are called at once, without a task;
where a coroutine function is among them, what a peer sends goes through an inbox (see inbox.py).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fastserver.errors import CloseReason
from fastserver.inbox import FIRST, LIST, TURN, UNHEARD, Inbox, lists

if TYPE_CHECKING:
    from fastserver.framing import Message, Messages
    from fastserver.peer import Peer

# What they give back is thrown away.
OnMessage = Callable[["Message"], object]
OnMessages = Callable[[Sequence["Message"]], object]
OnConnect = Callable[["Peer"], object]
OnDisconnect = Callable[["Peer", CloseReason], object]


class Handlers:
    """At most one handler for each thing that happens.

    `failed` is called with the peer and the exception that a handler for it raised.
    """

    def __init__(self, max_waiting: int, failed: Callable[[Peer, Exception], None]) -> None:
        self.message: OnMessage | None = None
        self.messages: OnMessages | None = None
        self.connect: OnConnect | None = None
        self.disconnect: OnDisconnect | None = None
        self.hear = False
        """Whether messages are handled rather than broadcast."""
        self.settled = False
        """The server has started: it is settled who is called."""
        self.inboxes: set[Inbox] = set()
        """Those at work."""
        self.max_waiting = max_waiting
        self.failed = failed

    def add(self, kind: str, handler: object) -> None:
        """Call `handler` for `kind`: message, messages, connect or disconnect.

        Raises RuntimeError once settled, ValueError if there is one already, TypeError if it cannot be called.
        """
        named = "message" if kind == "messages" else kind
        if self.settled:
            raise RuntimeError("handlers are named before the server starts")
        if self.hear if named == "message" else getattr(self, kind) is not None:
            raise ValueError(f"there is a {named} handler already")
        if not callable(handler):
            raise TypeError(f"a {named} handler must be callable, not {type(handler).__name__}")
        setattr(self, kind, handler)
        self.hear = self.message is not None or self.messages is not None

    @property
    def asynchronous(self) -> bool:
        """Whether messages have to wait for something."""
        return is_async(self.connect) or is_async(self.message) or is_async(self.messages)

    def connected(self, peer: Peer) -> None:
        """`peer` is there and has not been heard yet."""
        if self.asynchronous:
            peer.inbox = Inbox(self, peer)
        if self.connect is None:
            return
        if peer.inbox is not None:
            peer.inbox.greet()
        else:
            self.call(peer, self.connect, peer)

    def received(self, peer: Peer, frames: bytes, messages: int) -> None:
        """`peer` sent `frames`, complete, that many messages."""
        if peer.inbox is not None:
            peer.inbox.add(frames, messages)
            return
        begun = perf_counter()
        for some in lists(peer, frames, LIST if self.message is None else FIRST):
            self.handle(peer, some)
            if peer.reason in UNHEARD:
                return
            messages -= len(some)
            if messages and perf_counter() - begun > TURN:
                peer.inbox = Inbox(self, peer)
                peer.inbox.add(frames[some.end :], messages)
                return

    def handle(self, peer: Peer, messages: Messages) -> None:
        """Call the plain message handler."""
        if self.messages is not None:
            self.call(peer, self.messages, messages)
            return
        handler, waiting = self.message, messages.one_by_one()
        assert handler is not None
        while True:
            try:
                for message in waiting:
                    result = handler(message)
                    if result is not None:
                        _refuse_awaitable(handler, result)
                    if peer.reason is not None and peer.reason in UNHEARD:  # the first is quick
                        return
            except Exception as error:
                self.failed(peer, error)
                if peer.reason in UNHEARD:
                    return
            else:
                return

    def disconnected(self, peer: Peer) -> None:
        """`peer`'s connection is gone."""
        if peer.inbox is None and is_async(self.disconnect):
            peer.inbox = Inbox(self, peer)
        if peer.inbox is not None:
            peer.inbox.part()
        elif self.disconnect is not None:
            self.call(peer, self.disconnect, peer, peer.reason)

    def call(self, peer: Peer, handler: Callable[..., Any], *arguments: Any) -> None:
        """Call a plain handler; an exception concerns that peer only."""
        try:
            result = handler(*arguments)
            if result is not None:
                _refuse_awaitable(handler, result)
        except Exception as error:
            self.failed(peer, error)

    async def settle(self, peer: Peer, handler: Callable[..., Any], *arguments: Any) -> None:
        """Call a handler of either kind and wait until it is done."""
        try:
            result = handler(*arguments)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            self.failed(peer, error)

    def tasks(self) -> list[asyncio.Task[None]]:
        """The tasks of the inboxes at work."""
        return [inbox.task for inbox in self.inboxes if inbox.task is not None]


def _refuse_awaitable(handler: object, result: object) -> None:
    """Raise TypeError if `result` had to be awaited: `handler` did not say that it is asynchronous."""
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(f"{handler!r} is no coroutine function, but what it gave back has to be awaited")


def is_async(handler: object) -> bool:
    """Whether calling `handler` makes a coroutine."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)
