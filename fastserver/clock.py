"""The clock: the time and the timers of the event loop that a server runs on, for all its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import asyncio


class Clock:
    """Functions of the loop. While there is no loop, calling any of them raises RuntimeError."""

    __slots__ = ("call_later", "call_soon", "call_threadsafe", "time")

    time: Callable[[], float]
    """Gives the loop's time, seconds."""
    call_later: Callable[..., asyncio.TimerHandle]
    """Calls a function after so many seconds: seconds, function, its arguments."""
    call_soon: Callable[..., asyncio.Handle]
    """Calls a function in the next turn of the loop: function, its arguments."""
    call_threadsafe: Callable[..., asyncio.Handle]
    """`call_soon` from another thread."""

    def __init__(self) -> None:
        self.stop()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the functions of `loop`."""
        self.time, self.call_later, self.call_soon = loop.time, loop.call_later, loop.call_soon
        self.call_threadsafe = loop.call_soon_threadsafe

    def stop(self) -> None:
        """Have no loop any more."""
        self.time = self.call_later = self.call_soon = self.call_threadsafe = _not_started


def _not_started(*_: Any) -> NoReturn:
    raise RuntimeError("the server has not started")
