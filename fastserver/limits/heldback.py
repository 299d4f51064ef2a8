"""Messages of one sender that are held back until they may be passed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastserver.fanout.parts import whole

if TYPE_CHECKING:
    from fastserver.framing.framing import Framing


class HeldBack:
    """The frames of one sender from `start` on, which are so many `messages`; none if it is only paused. `then` is
    called when all of them were passed on.
    """

    __slots__ = ("frames", "messages", "start", "then")

    def __init__(self) -> None:
        self.frames = b""
        self.start = 0
        self.messages = 0
        self.then: Callable[[], object] | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.frames) - self.start

    def add(self, frames: bytes, messages: int) -> None:
        """Hold `frames` (complete, that many messages) too."""
        self.frames = self.frames[self.start :] + frames
        self.start = 0
        self.messages += messages

    def take(self, at_least: int, framing: Framing) -> tuple[bytes, int]:
        """The fewest messages that make `at_least` bytes, or all, and their number.

        `framing` is theirs.
        """
        start, messages = self.start, self.messages
        size = self.size
        if at_least < size:
            size, messages = whole(self.frames, start, at_least, framing.resplitter)
        frames = self.frames[start : start + size]
        self.start += size
        self.messages -= messages
        if not self.messages:
            self.frames = b""
            self.start = 0
        return frames, messages
