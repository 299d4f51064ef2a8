"""The program's handlers, and how they are called.

Rules: the connect handlers end before the first message is handled, messages of one peer are handled one after
another, the disconnect handlers come once after the last. Several of one kind are called in the order in which they
were named. Plain functions are called at once, without a task; where a coroutine function is among them, the messages
of a peer go through an inbox (see inbox.py).

An exception that a handler raises is a failure of that handler and concerns its peer only: `CancelledError` too, unless
the task of the inbox was cancelled. `SystemExit` and `KeyboardInterrupt` end the server.

Each peer has a context of its own (see `contextvars`): values that its handlers set there, only its handlers see.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fastserver.errors import UNHEARD
from fastserver.handlers.inbox import FIRST_LIST, MAX_LIST, MAX_TURN, Inbox, lists
from fastserver.handlers.named import Named

if TYPE_CHECKING:
    from fastserver.framing import Messages
    from fastserver.peers.peer import Peer


class Handlers(Named):
    """The handlers of each kind, and the inboxes that are at work.

    `max_waiting` is how much of a peer may wait for async handlers before it is paused, bytes. `failed` is called with
    the peer, the exception that a handler for it raised, and whether that was an error handler.
    """

    def __init__(self, max_waiting: int, failed: Callable[[Peer, BaseException, bool], None]) -> None:
        super().__init__()
        self.inboxes: set[Inbox] = set()
        """Inboxes at work."""
        self.stopping: set[Inbox] = set()
        """Inboxes at work whose handler waits for the server to stop."""
        self.quiet = asyncio.Event()
        """Set while no other inbox is at work."""
        self.context = copy_context()
        """The context that those of the peers begin as."""
        self.max_waiting = max_waiting
        self.failed = failed
        self._contexts: dict[Peer, Context] = {}

    def connected(self, peer: Peer) -> None:
        """Call the connect handlers for `peer`, which has come."""
        if self.asynchronous:
            peer.inbox = Inbox(self, peer)
        if not self.connect:
            return
        if peer.inbox is not None:
            peer.inbox.greet()
        else:
            self.context_of(peer).run(self._call_all, peer, self.connect, peer)

    def received(self, peer: Peer, frames: bytes, messages: int) -> None:
        """Call the message handlers for `frames` (complete, that many messages), which `peer` sent."""
        if peer.inbox is not None:
            peer.inbox.add(frames, messages)
            return
        context = self._contexts.get(peer)
        if context is None:
            context = self.context_of(peer)
        context.run(self._handle_read, peer, frames, messages)

    def disconnected(self, peer: Peer) -> None:
        """Call the disconnect handlers for `peer`, which is gone."""
        if peer.inbox is None and self.parts_later and self.disconnect:
            peer.inbox = Inbox(self, peer)
        if peer.inbox is not None:
            peer.inbox.part()
        elif self.disconnect:
            self.context_of(peer).run(self._call_all, peer, self.disconnect, peer, peer.reason)
        if peer.inbox is None:
            self._contexts.pop(peer, None)

    # From the inboxes.

    async def run_to_end(self, inbox: Inbox, handler: Callable[..., Any], *arguments: Any) -> None:
        """Call a handler of either kind from the task of `inbox`, and wait until it is done."""
        inbox.note_call()
        try:
            await _finished(handler, *arguments)
        except BaseException as error:
            if inbox.ended_by(error):
                raise
            self.failed(inbox.peer, error, False)
            await self._tell(inbox, error)

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
        """Note that `inbox` has something to do."""
        self.inboxes.add(inbox)

    def at_rest(self, inbox: Inbox) -> None:
        """Note that `inbox` has nothing to do any more."""
        self.inboxes.discard(inbox)
        self.stopping.discard(inbox)
        if inbox.peer.closed:
            self._contexts.pop(inbox.peer, None)
        self._note_quiet()

    # From the server.

    def stops(self, inbox: Inbox) -> None:
        """Note that a handler of `inbox` waits for the server to stop, which therefore must not wait for it."""
        if inbox in self.inboxes:
            self.stopping.add(inbox)
            self._note_quiet()

    async def done(self, within: float) -> bool:
        """Wait at most `within` seconds until nobody is at work but those who wait for that; false if that is over."""
        while len(self.inboxes) > len(self.stopping):
            self.quiet.clear()
            try:
                await asyncio.wait_for(self.quiet.wait(), within)
            except asyncio.TimeoutError:
                return False
        return True

    def cancel(self) -> None:
        """Cancel every handler that is at work, but those that wait for the server to stop."""
        for inbox in self.inboxes - self.stopping:
            inbox.cancel()

    def give_up(self) -> None:
        """Wait no more for those that are at work now."""
        self.inboxes &= self.stopping

    def _note_quiet(self) -> None:
        if len(self.inboxes) <= len(self.stopping):
            self.quiet.set()

    # Plain handlers.

    def _handle_read(self, peer: Peer, frames: bytes, messages: int) -> None:
        begun = perf_counter()
        for some in lists(peer, frames, MAX_LIST if self.messages else FIRST_LIST):
            self._handle(peer, some)
            if peer.reason in UNHEARD:
                return
            messages -= len(some)
            if messages and perf_counter() - begun > MAX_TURN:
                peer.inbox = Inbox(self, peer)
                peer.inbox.add(frames[some.end :], messages)
                return

    def _handle(self, peer: Peer, messages: Messages[Peer]) -> None:
        for several in self.messages:
            self._call(peer, several, messages)
            if peer.reason in UNHEARD:
                return
        if not self.message:
            return
        waiting = messages.one_by_one()
        if len(self.message) > 1:
            for message in waiting:
                for handler in self.message:
                    self._call(peer, handler, message)
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
            self._call(peer, handler, *arguments)

    def _call(self, peer: Peer, handler: Callable[..., Any], *arguments: Any) -> None:
        try:
            result = handler(*arguments)
            if result is not None:
                _refuse_unfinished(handler, result)
        except BaseException as error:
            self._fail(peer, error)

    def _fail(self, peer: Peer, error: BaseException) -> None:
        """Call the error handlers, which are all plain then, for `error`, which a plain handler for `peer` raised."""
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

    async def _tell(self, inbox: Inbox, error: BaseException) -> None:
        """Call the error handlers of either kind for `error`, which a handler raised in the task of `inbox`."""
        if _ends_program(error):
            return
        for handler in self.error:
            inbox.note_call()
            try:
                await _finished(handler, inbox.peer, error)
            except BaseException as another:
                if inbox.ended_by(another):
                    raise
                self.failed(inbox.peer, another, True)


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
    """Raise TypeError if `result` stands for work of which nothing has been done yet."""
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(f"{handler!r} gave back a generator, of which nothing is run")
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(f"{handler!r} is no coroutine function, but what it gave back has to be awaited")
