"""The user's handlers, and how they are called.

Rules: the connect handlers end before the first message is handled, messages of one peer are handled one after
another, the disconnect handlers come once after the last. Several of one kind are called in the order in which they
were named. Plain functions are called at once, without a task; where a coroutine function is among them, what a peer
sends goes through an inbox (see inbox.py).

Whatever a handler raises is a failure of that handler and concerns its peer only: `CancelledError` too, unless it is
the task of the inbox that was cancelled. `SystemExit` and `KeyboardInterrupt` are for the server to end by.

Each peer has a context of its own (see `contextvars`): what its handlers set there, only its handlers see.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from fastserver.errors import UNHEARD, CloseReason
from fastserver.handlers.inbox import FIRST, LIST, TURN, Inbox, lists

if TYPE_CHECKING:
    from fastserver.framing import Message, Messages
    from fastserver.peers.peer import Peer

# What they give back is thrown away.
OnMessage = Callable[["Message[Peer]"], object]
OnMessages = Callable[[Sequence["Message[Peer]"]], object]
OnConnect = Callable[["Peer"], object]
OnDisconnect = Callable[["Peer", CloseReason], object]
OnError = Callable[["Peer", BaseException], object]

KINDS: Final = ("message", "messages", "connect", "disconnect", "error")


class Handlers:
    """The handlers for each thing that happens.

    `failed` is called with the peer, the exception that a handler for it raised, and whether that was an error handler.
    """

    def __init__(self, max_waiting: int, failed: Callable[[Peer, BaseException, bool], None]) -> None:
        self.message: list[OnMessage] = []
        self.messages: list[OnMessages] = []
        self.connect: list[OnConnect] = []
        self.disconnect: list[OnDisconnect] = []
        self.error: list[OnError] = []
        self.hear = False
        """Whether messages are handled rather than broadcast."""
        self.settled = False
        """The server has started: it is settled who is called."""
        self.asynchronous = False
        """Whether messages have to wait for something."""
        self.inboxes: set[Inbox] = set()
        """Those at work."""
        self.stopping: set[Inbox] = set()
        """Those among them whose handler waits for the server to stop."""
        self.quiet = asyncio.Event()
        """None but those may be at work."""
        self.context = copy_context()
        """What the contexts of the peers begin as."""
        self.max_waiting = max_waiting
        self.failed = failed
        self._contexts: dict[Peer, Context] = {}
        self._parts_later = False  # whether to leave has to wait for something

    def add(self, kind: str, handler: object) -> None:
        """Call `handler` for `kind`, one of `KINDS`, after those named before.

        Raises RuntimeError once settled, ValueError if messages are handled in the other way already, TypeError if it
        cannot be called or calling it would do nothing.
        """
        named = "message" if kind == "messages" else kind
        if self.settled:
            raise RuntimeError("handlers are named before the server starts")
        if (kind == "message" and self.messages) or (kind == "messages" and self.message):
            raise ValueError("there is a message handler already, of the other kind: one by one, or those of a read")
        if not callable(handler):
            raise TypeError(f"a {named} handler must be callable, not {type(handler).__name__}")
        if _is(inspect.isgeneratorfunction, handler) or _is(inspect.isasyncgenfunction, handler):
            raise TypeError(f"a {named} handler must not contain yield: {handler!r} is a generator function")
        getattr(self, kind).append(handler)
        self.hear = bool(self.message or self.messages)
        heard = (*self.connect, *self.message, *self.messages, *self.error)
        self.asynchronous = any(map(is_async, heard))
        self._parts_later = any(map(is_async, (*self.disconnect, *self.error)))

    def connected(self, peer: Peer) -> None:
        """`peer` is there and has not been heard yet."""
        if self.asynchronous:
            peer.inbox = Inbox(self, peer)
        if not self.connect:
            return
        if peer.inbox is not None:
            peer.inbox.greet()
        else:
            self.context_of(peer).run(self._call_all, peer, self.connect, peer)

    def received(self, peer: Peer, frames: bytes, messages: int) -> None:
        """`peer` sent `frames`, complete, that many messages."""
        if peer.inbox is not None:
            peer.inbox.add(frames, messages)
            return
        context = self._contexts.get(peer)
        if context is None:
            context = self.context_of(peer)
        context.run(self._handle_all, peer, frames, messages)

    def disconnected(self, peer: Peer) -> None:
        """`peer`'s connection is gone."""
        if peer.inbox is None and self._parts_later and self.disconnect:
            peer.inbox = Inbox(self, peer)
        if peer.inbox is not None:
            peer.inbox.part()
        elif self.disconnect:
            self.context_of(peer).run(self._call_all, peer, self.disconnect, peer, peer.reason)
        if peer.inbox is None:
            self._contexts.pop(peer, None)

    def call(self, peer: Peer, handler: Callable[..., Any], *arguments: Any) -> None:
        """Call a plain handler; what it raises concerns that peer only."""
        try:
            result = handler(*arguments)
            if result is not None:
                _refuse_unfinished(handler, result)
        except BaseException as error:
            self._fail(peer, error)

    async def settle(self, inbox: Inbox, handler: Callable[..., Any], *arguments: Any) -> None:
        """Call a handler of either kind from the task of `inbox`, and wait until it is done."""
        inbox.calls()
        try:
            await _finished(handler, *arguments)
        except BaseException as error:
            if inbox.ended_by(error):
                raise
            self.failed(inbox.peer, error, False)
            await self._tell(inbox, inbox.peer, error)

    # From the inboxes.

    def context_of(self, peer: Peer) -> Context:
        """The context in which the handlers of `peer` are called."""
        context = self._contexts.get(peer)
        if context is None:
            context = self._contexts[peer] = self.context.copy()
        return context

    def keep_context(self, peer: Peer, context: Context) -> None:
        """Call the handlers of `peer` in `context` from now on."""
        self._contexts[peer] = context

    def at_work(self, inbox: Inbox) -> None:
        """`inbox` has something to do."""
        self.inboxes.add(inbox)

    def at_rest(self, inbox: Inbox) -> None:
        """`inbox` has nothing to do any more."""
        self.inboxes.discard(inbox)
        self.stopping.discard(inbox)
        if inbox.peer.closed:
            self._contexts.pop(inbox.peer, None)
        self._look()

    # From the server.

    def stops(self, inbox: Inbox) -> None:
        """A handler of `inbox` waits for the server to stop, which therefore must not wait for it."""
        if inbox in self.inboxes:
            self.stopping.add(inbox)
            self._look()

    async def done(self, within: float) -> bool:
        """Wait at most `within` seconds until nobody is at work but those who wait for that; whether it is so."""
        while len(self.inboxes) > len(self.stopping):
            self.quiet.clear()
            try:
                await asyncio.wait_for(self.quiet.wait(), within)
            except asyncio.TimeoutError:
                return False
        return True

    def cancel(self) -> None:
        """End every handler that is at work, but for those that wait for the server to stop."""
        for inbox in self.inboxes - self.stopping:
            inbox.cancel()

    def give_up(self) -> None:
        """Wait no more for those that are at work now."""
        self.inboxes &= self.stopping

    # Its own.

    def _look(self) -> None:
        if len(self.inboxes) <= len(self.stopping):
            self.quiet.set()

    def _handle_all(self, peer: Peer, frames: bytes, messages: int) -> None:
        begun = perf_counter()
        for some in lists(peer, frames, LIST if self.messages else FIRST):
            self._handle(peer, some)
            if peer.reason in UNHEARD:
                return
            messages -= len(some)
            if messages and perf_counter() - begun > TURN:
                peer.inbox = Inbox(self, peer)
                peer.inbox.add(frames[some.end :], messages)
                return

    def _handle(self, peer: Peer, messages: Messages[Peer]) -> None:
        """Call the plain message handlers."""
        for several in self.messages:
            self.call(peer, several, messages)
            if peer.reason in UNHEARD:
                return
        if not self.message:
            return
        waiting = messages.one_by_one()
        if len(self.message) > 1:
            for message in waiting:
                for handler in self.message:
                    self.call(peer, handler, message)
                    if peer.reason in UNHEARD:
                        return
            return
        handler = self.message[0]
        while True:
            try:
                for message in waiting:
                    result = handler(message)
                    if result is not None:
                        _refuse_unfinished(handler, result)
                    if peer.reason is not None and peer.reason in UNHEARD:  # the first is quick
                        return
            except BaseException as error:
                self._fail(peer, error)
                if peer.reason in UNHEARD:
                    return
            else:
                return

    def _call_all(self, peer: Peer, handlers: Sequence[Callable[..., Any]], *arguments: Any) -> None:
        for handler in handlers:
            self.call(peer, handler, *arguments)

    def _fail(self, peer: Peer, error: BaseException) -> None:
        """A plain handler for `peer` raised `error`. Then all error handlers are plain, too."""
        self.failed(peer, error, False)
        if _ends_program(error):
            return
        for handler in self.error:
            try:
                result = handler(peer, error)
                if result is not None:
                    _refuse_unfinished(handler, result)
            except BaseException as another:
                self.failed(peer, another, True)

    async def _tell(self, inbox: Inbox, peer: Peer, error: BaseException) -> None:
        """Call the error handlers of either kind."""
        if _ends_program(error):
            return
        for handler in self.error:
            inbox.calls()
            try:
                await _finished(handler, peer, error)
            except BaseException as another:
                if inbox.ended_by(another):
                    raise
                self.failed(peer, another, True)


def _ends_program(error: BaseException) -> bool:
    return isinstance(error, (SystemExit, KeyboardInterrupt))


async def _finished(handler: Callable[..., Any], *arguments: Any) -> None:
    result = handler(*arguments)
    if result is None:
        return
    if inspect.isawaitable(result):
        await result
    else:
        _refuse_unfinished(handler, result)


def _refuse_unfinished(handler: object, result: object) -> None:
    """Raise TypeError if `result` is something of which nothing has been done yet."""
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(f"{handler!r} gave back a generator, of which nothing is run")
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(f"{handler!r} is no coroutine function, but what it gave back has to be awaited")


def is_async(handler: object) -> bool:
    """Whether calling `handler` makes a coroutine."""
    return _is(inspect.iscoroutinefunction, handler)


def _is(kind: Callable[[object], bool], handler: object) -> bool:
    """Whether `handler`, or what it calls, is a function of that kind."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return kind(handler) or kind(type(handler).__call__)
