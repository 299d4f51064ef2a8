"""A server as a process of its own: event loop, signals, log; all put back afterwards."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from fastserver.allocator import keep_freed_memory
from fastserver.console import logging_to_console
from fastserver.descriptors import fill_standard, raise_limit

if TYPE_CHECKING:
    from fastserver.server import Server

Result = TypeVar("Result")


def run(server: Server) -> None:
    """Run `server` until SIGINT or SIGTERM; a second one ends it at once. SIGUSR1 writes a report.

    Raises `ListenError`.
    """
    config = server.config
    level = "warning" if config.quiet else config.log_level
    fill_standard()
    raise_limit()
    keep_freed_memory()
    with logging_to_console(level, config.log_format):
        run_loop(_serve(server))


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """The result of `main`, run on uvloop, or on the standard library's loop where uvloop cannot be had."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    result: Result = uvloop.run(main)
    return result


async def _serve(server: Server) -> None:
    loop = asyncio.get_running_loop()
    stopping: asyncio.Task[None] | None = None

    def stop() -> None:
        nonlocal stopping
        if stopping is None:
            stopping = loop.create_task(server.stop())
        else:
            server.abort()

    async with server:
        with _signals(loop, {"SIGINT": stop, "SIGTERM": stop, "SIGUSR1": server.report}):
            await server.stopped()


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, actions: dict[str, Callable[[], None]]) -> Iterator[None]:
    """Call an action of `actions` (by signal name) when its signal comes; the old handlers come back after."""
    before: dict[int, Any] = {}
    for name, action in actions.items():
        number = getattr(signal, name, None)
        if number is None:
            continue
        before[number] = signal.getsignal(number)
        try:
            loop.add_signal_handler(number, action)
        except NotImplementedError:  # Windows: the loop cannot, a plain handler can

            def call(_number: int, _frame: FrameType | None, action: Callable[[], None] = action) -> None:
                loop.call_soon_threadsafe(action)

            signal.signal(number, call)
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, handler)
