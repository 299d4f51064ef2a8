"""Waiting until connections are readable or writable."""

from __future__ import annotations

import select
from typing import Any, Final

from fastserver.load.errors import LoadError

READ: Final = 1  # as poll(2) and epoll(7) number it, the same everywhere
WRITE: Final = 4


class Poll:
    """epoll, or poll where there is none. Raises `LoadError` where there is neither."""

    def __init__(self) -> None:
        self._precise = hasattr(select, "epoll")
        if not hasattr(select, "poll"):
            raise LoadError("this system has no poll(2), which a load is made with")
        self._poll: Any = select.epoll() if self._precise else select.poll()
        self._scale = 1.0 if self._precise else 1000.0

    def close(self) -> None:
        if self._precise:
            self._poll.close()

    def register(self, descriptor: int, events: int = READ) -> None:
        self._poll.register(descriptor, events)

    def modify(self, descriptor: int, events: int) -> None:
        self._poll.modify(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Descriptors and their events. Waits with a resolution of microseconds where there is epoll."""
        if seconds > 0 and self._precise:  # epoll's own timeout counts whole milliseconds
            select.select([self._poll], [], [], seconds)
            seconds = 0
        events: list[tuple[int, int]] = self._poll.poll(seconds * self._scale)
        return events
