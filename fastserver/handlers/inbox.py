"""An inbox: the messages of one peer that handlers have not handled yet, taken in order by a task. Where all handlers
are plain functions, a peer has an inbox only while its messages take longer than its turn.

An inbox is bounded: while it is full the peer is paused, so that at most the limit and one read wait in it. The task
lives only while there is something to do.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import Context, ContextVar, copy_context
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastserver.errors import UNHEARD
from fastserver.fanout.pause import Pause

if TYPE_CHECKING:
    from fastserver.framing import Messages
    from fastserver.peers.peer import Peer

MAX_LIST: Final = 500
"""Messages handled at a time. More than 700 in a list set off the garbage collector, and are out of the reach of the
free list: at 4000 in a read a message costs 70 ns instead of 25."""

FIRST_LIST: Final = 16
"""Messages handled first, where they are handled one by one; then twice as many each time. So a slow handler is
noticed soon."""

MAX_TURN: Final = 0.005
"""Seconds for which the messages of one peer are handled before others have their turn."""


def lists(peer: Peer, frames: bytes, first: int) -> Iterator[Messages[Peer]]:
    """The messages in `frames`, which `peer` sent: `first` of them, then more at a time."""
    start, most = 0, first
    while start < len(frames):
        messages = peer.splitter.messages(frames, peer, most, start)
        start = messages.end
        most = min(2 * most, MAX_LIST)
        yield messages


class Work(asyncio.Task[None]):
    """The task of an inbox. Made past the loop's task factory: an eager one would run it before it is known."""

    if sys.version_info < (3, 11):
        asked = 0

        def cancel(self, msg: object = None) -> bool:
            self.asked += 1
            return super().cancel(msg)

        def cancelling(self) -> int:
            """The number of times that it was cancelled."""
            return self.asked


class Owner(Protocol):
    """The handlers that an inbox works for, by kind, and what it tells their owner."""

    @property
    def connect(self) -> Sequence[Callable[..., object]]: ...

    @property
    def message(self) -> Sequence[Callable[..., object]]: ...

    @property
    def messages(self) -> Sequence[Callable[..., object]]: ...

    @property
    def disconnect(self) -> Sequence[Callable[..., object]]: ...

    @property
    def asynchronous(self) -> bool:
        """True if every peer needs an inbox."""

    @property
    def max_waiting(self) -> int:
        """Bytes of waiting frames from which on the peer is paused."""

    async def run_to_end(self, inbox: Inbox, handler: Callable[..., Any], *arguments: Any) -> None:
        """Call a handler, and wait until it is done. Raises only what ends the task of the inbox."""

    def context_of(self, peer: Peer) -> Context:
        """The context in which the handlers of `peer` are called."""

    def keep_context(self, peer: Peer, context: Context) -> None:
        """Call the handlers of `peer` in `context` from now on."""

    def at_work(self, inbox: Inbox) -> None:
        """Note that `inbox` has something to do."""

    def at_rest(self, inbox: Inbox) -> None:
        """Note that `inbox` has nothing to do any more."""


class Inbox:
    """The messages that wait for the handlers of one peer, and its connect and disconnect handlers that are due."""

    def __init__(self, handlers: Owner, peer: Peer) -> None:
        self.messages = 0
        """Messages that wait."""
        self.bytes = 0
        """Bytes of their frames."""
        self.full = False
        self.handlers = handlers
        self.peer = peer
        self._task: Work | None = None
        self._begun = False
        self._cancelled = False  # by us
        self._asked = 0  # how often the task had been cancelled when the handler was called
        self._greet = False
        self._part = False
        self._turn = 0.0
        self._waiting: deque[tuple[bytes, int]] = deque()

    def greet(self) -> None:
        """Call the connect handlers first."""
        self._greet = True
        self._start()

    def add(self, frames: bytes, messages: int) -> None:
        """Handle `frames` (complete, that many messages) after those that wait."""
        self._start()
        self._waiting.append((frames, messages))
        self.messages += messages
        self.bytes += len(frames)
        if self.bytes >= self.handlers.max_waiting and not self.full:
            self.full = True
            self.peer.pause_reading(Pause.INBOX)

    def part(self) -> None:
        """Call the disconnect handlers last."""
        self._part = True
        self._start()

    def cancel(self) -> None:
        """Cancel the handler that is at work, and handle no more messages; those left count as waiting for ever. The
        disconnect handlers are still called.
        """
        self._cancelled = True
        self._greet = False
        self._waiting.clear()
        if self._task is None or self._task.done():
            self._end()
        elif self._begun:  # a task that has not would end without a word
            self._task.cancel()

    def note_call(self) -> None:
        """Note that a handler is called now."""
        self._asked = 0 if self._task is None else self._task.cancelling()

    def ended_by(self, error: BaseException) -> bool:
        """True if `error` came from outside to end the task; false if the handler raised it."""
        if isinstance(error, asyncio.CancelledError):
            return self._cancelled or (self._task is not None and self._task.cancelling() > self._asked)
        if isinstance(error, GeneratorExit):  # where no loop runs the task, its coroutine is being thrown away
            try:
                return asyncio.current_task() is not self._task
            except RuntimeError:
                return True
        return False

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._begun = self._cancelled = False
            self._task = _task(self._work(), self.handlers.context_of(self.peer))
            self.handlers.at_work(self)

    async def _work(self) -> None:
        handlers, peer = self.handlers, self.peer
        self._begun = True
        HANDLING.set(self)
        self._turn = perf_counter()
        try:
            while True:
                if self._greet:
                    self._greet = False
                    for connect in handlers.connect:
                        await handlers.run_to_end(self, connect, peer)
                elif self._waiting:
                    frames, messages = self._waiting.popleft()
                    await self._handle(frames, messages)
                    self._take_off(0, len(frames))
                elif self._part:
                    self._part = False
                    for disconnect in handlers.disconnect:
                        await handlers.run_to_end(self, disconnect, peer, peer.reason)
                else:
                    return
        finally:
            self._end()

    def _end(self) -> None:
        self._task = None
        if sys.version_info < (3, 11):  # where a task has a copy, later handlers see what this one's set
            self.handlers.keep_context(self.peer, copy_context())
        if self._part and self._cancelled:  # the peer left while its messages were handled, which were given up
            self._start()
        else:
            self.handlers.at_rest(self)
            needed = self.handlers.asynchronous and not self.peer.closed
            if not needed and not self._waiting and self.peer.inbox is self:
                self.peer.inbox = None

    async def _handle(self, frames: bytes, waiting: int) -> None:
        handlers, peer = self.handlers, self.peer
        for messages in lists(peer, frames, MAX_LIST):
            if peer.reason in UNHEARD or self._cancelled:
                break
            if handlers.messages:
                if peer.waits:
                    await peer.turn(sum([len(message.payload) for message in messages]))
                for several in handlers.messages:
                    if peer.reason not in UNHEARD:
                        await handlers.run_to_end(self, several, messages)
                waiting -= len(messages)
                self._take_off(len(messages), 0)
                await self._yield()
                continue
            for message in messages:
                if peer.waits:
                    await peer.turn(len(message.payload))
                for handler in handlers.message:
                    if peer.reason not in UNHEARD and not self._cancelled:
                        await handlers.run_to_end(self, handler, message)
                waiting -= 1
                self._take_off(1, 0)
                await self._yield()
        self._take_off(waiting, 0)

    async def _yield(self) -> None:
        """Let others have their turn, if this one was long: a handler that never waits would keep them from it."""
        if perf_counter() - self._turn > MAX_TURN:
            await asyncio.sleep(0)
            self._turn = perf_counter()

    def _take_off(self, messages: int, size: int) -> None:
        self.messages -= messages
        self.bytes -= size
        if self.full and self.bytes <= self.handlers.max_waiting // 2:
            self.full = False
            self.peer.resume_reading(Pause.INBOX)


HANDLING: Final[ContextVar[Inbox]] = ContextVar("fastserver_handling")
"""The inbox whose handler is at work."""


def _task(work: Coroutine[Any, Any, None], context: Context) -> Work:
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 11):
        return Work(work, loop=loop, context=context)
    try:
        return context.run(Work, work, loop=loop)
    except RuntimeError:  # a handler of this peer is at work: the context is entered, and the task copies it
        return Work(work, loop=loop)
