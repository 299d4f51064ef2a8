"""An inbox: what one peer sent and handlers have not handled yet, taken in order by a task. Where all handlers are
plain functions, a peer has one only while its messages take longer than its turn.

It is bounded: while it is full the peer is read no further, so what waits is at most the limit and one read.
The task lives only while there is something to do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Final

from fastserver.errors import CloseReason
from fastserver.pause import Pause

if TYPE_CHECKING:
    from fastserver.framing import Messages
    from fastserver.handlers import Handlers
    from fastserver.peer import Peer

UNHEARD: Final = (CloseReason.KICKED, CloseReason.HANDLER_ERROR, CloseReason.MEMORY)
"""Close reasons after which no more of what a peer sent before is handled."""


LIST: Final = 500
"""Messages handled at a time. More than 700 in a list set off the garbage collector, and are out of the reach of the
free list: at 4000 in a read a message costs 70 ns instead of 25."""

FIRST: Final = 16
"""Messages handled first, where they are handled one by one; then twice as many each time. So a slow handler is
noticed soon."""

TURN: Final = 0.005
"""Seconds that the messages of one peer are handled before others have their turn."""


def lists(peer: Peer, frames: bytes, first: int) -> Iterator[Messages]:
    """The messages in `frames`, which `peer` sent, `first` of them and then more at a time."""
    start, most = 0, first
    while start < len(frames):
        messages = peer.splitter.messages(frames, peer, most, start)
        start = messages.end
        most = min(2 * most, LIST)
        yield messages


class Inbox:
    """What waits for the handlers of one peer."""

    def __init__(self, handlers: Handlers, peer: Peer) -> None:
        self.messages = 0
        """Messages that wait."""
        self.bytes = 0
        """Their frames, bytes."""
        self.full = False
        self.task: asyncio.Task[None] | None = None
        self._handlers = handlers
        self._peer = peer
        self._greet = False
        self._part = False
        self._turn = 0.0
        self._waiting: deque[tuple[bytes, int]] = deque()

    def greet(self) -> None:
        """Call the connect handler first."""
        self._greet = True
        self._start()

    def add(self, frames: bytes, messages: int) -> None:
        """Handle `frames`, complete, that many messages, after what waits."""
        self._waiting.append((frames, messages))
        self.messages += messages
        self.bytes += len(frames)
        if self.bytes >= self._handlers.max_waiting and not self.full:
            self.full = True
            self._peer.pause_reading(Pause.INBOX)
        self._start()

    def part(self) -> None:
        """Call the disconnect handler last."""
        self._part = True
        self._start()

    def _start(self) -> None:
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self._work())
            self._handlers.inboxes.add(self)

    async def _work(self) -> None:
        handlers, peer = self._handlers, self._peer
        self._turn = perf_counter()
        try:
            while True:
                if self._greet and handlers.connect is not None:
                    self._greet = False
                    await handlers.settle(peer, handlers.connect, peer)
                elif self._waiting:
                    frames, messages = self._waiting.popleft()
                    await self._handle(frames, messages)
                    self._take_off(0, len(frames))
                elif self._part:
                    self._part = False
                    if handlers.disconnect is not None:
                        await handlers.settle(peer, handlers.disconnect, peer, peer.reason)
                else:
                    return
        finally:
            self.task = None
            handlers.inboxes.discard(self)
            if not handlers.asynchronous and not self._waiting and peer.inbox is self:
                peer.inbox = None

    async def _handle(self, frames: bytes, waiting: int) -> None:
        handlers, peer = self._handlers, self._peer
        for messages in lists(peer, frames, LIST):
            if peer.reason in UNHEARD:
                break
            if handlers.messages is not None:
                await handlers.settle(peer, handlers.messages, messages)
                waiting -= len(messages)
                self._take_off(len(messages), 0)
                await self._yield()
                continue
            for message in messages:
                if handlers.message is not None and peer.reason not in UNHEARD:
                    await handlers.settle(peer, handlers.message, message)
                waiting -= 1
                self._take_off(1, 0)
                await self._yield()
        self._take_off(waiting, 0)

    async def _yield(self) -> None:
        """Let others have their turn, if this one was long: a handler that never waits would keep them from it."""
        if perf_counter() - self._turn > TURN:
            await asyncio.sleep(0)
            self._turn = perf_counter()

    def _take_off(self, messages: int, size: int) -> None:
        self.messages -= messages
        self.bytes -= size
        if self.full and self.bytes <= self._handlers.max_waiting // 2:
            self.full = False
            self._peer.resume_reading(Pause.INBOX)
