"""Messages that a client received and its program has not taken."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from fastserver.framing import Framing, Message

P = TypeVar("P")


class Incoming(Generic[P]):
    """A queue of messages, each from `peer`, for one task that takes them.

    At `most` bytes the queue is full; once half of that is taken, `relieved` is called.
    """

    def __init__(self, framing: Framing, peer: P, most: int, relieved: Callable[[], None]) -> None:
        self.bytes = 0
        """Bytes of the frames that wait."""
        self.most = most
        self.ended = False
        """Nothing more can arrive."""
        self.ready: deque[Message[P]] = deque()
        """Messages of a batch that was taken, which the program takes one by one."""
        self._framing = framing
        self._peer = peer
        self._relieved = relieved
        self._queue: deque[bytes] = deque()
        self._arrived = asyncio.Event()  # frames to take, or the end
        self._receiving = False  # a task waits for them
        self._error: Exception | None = None

    def add(self, frames: bytes) -> bool:
        """Adds frames that arrived; True if the queue is full."""
        self._queue.append(frames)
        self.bytes += len(frames)
        self._arrived.set()
        return self.bytes >= self.most

    def end(self, error: Exception | None) -> None:
        """Notes that nothing more arrives, because of `error` or in order. The first call counts."""
        if not self.ended:
            self.ended = True
            self._error = error
            self._arrived.set()

    async def batch(self) -> list[Message[P]]:
        """The messages that came together next, at least one; none at the end.

        Raises the error at the end if there was one, RuntimeError while another task waits.
        """
        if self._receiving:
            raise RuntimeError("another task is receiving: one at a time can")
        if self.ready:
            batch = list(self.ready)
            self.ready.clear()
            return batch
        while not self._queue:
            if self._error:
                raise self._error
            if self.ended:
                return []
            self._arrived.clear()
            self._receiving = True
            try:
                await self._arrived.wait()
            finally:
                self._receiving = False
        frames = self._queue.popleft()
        self.bytes -= len(frames)
        if self.bytes <= self.most // 2:
            self._relieved()
        return list(self._framing.messages(frames, self._peer))
