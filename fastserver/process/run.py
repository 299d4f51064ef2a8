"""A server as a process of its own: event loop, signals, log; all put back afterwards."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastserver.log.console import logging_to_console
from fastserver.log.log import logger
from fastserver.log.report import chosen_ports
from fastserver.process.allocator import keep_freed_memory
from fastserver.process.descriptors import check_loop, fill_standard, raise_limit

if TYPE_CHECKING:
    from fastserver.server import Server

Result = TypeVar("Result")

STOP: Final = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that stop the server in order; SIGHUP is that of a terminal that closes."""

REPORT: Final = "SIGUSR1"

SPARE: Final = "SIGUSR2"
"""A signal that is of no use here, and would kill who does not handle it."""

WAKING: Final = "SIGWINCH"
"""A signal that is ignored where nobody handles it."""


def run(server: Server, warnings: Iterable[str] = (), *, last: bool = False, log: bool = True) -> None:
    """Run `server` until SIGINT, SIGTERM or SIGHUP; a second one ends it at once. SIGUSR1 writes a report.

    `warnings` are the first lines of the log. If the process ends after this, as `last` says, late signals do nothing.
    The log goes to standard error if `log`, else where the program sends it.

    Raises `ListenError`; `SystemExit` or `KeyboardInterrupt`, after the stop, if a handler did; RuntimeError where it
    cannot run.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("run() makes an event loop of its own, and one runs here: await serve() instead")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "run() is for the main thread, which alone gets signals: asyncio.run(server.serve()) instead"
        )
    config = server.config
    level = "warning" if config.quiet else config.log_level
    fill_standard()
    raise_limit()
    check_loop(len(config.listeners))
    keep_freed_memory()
    if log:
        server.log.content_level = logging.INFO
    # In this order: signals may come while the log has its last second.
    logs = logging_to_console(level, config.log_format) if log else nullcontext()
    with _signals(last) as signals, logs:
        for text in warnings:
            logger.warning("%(text)s", {"text": text})
        run_loop(_serve(server, signals))


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """The result of `main`, run on uvloop, or on the standard library's loop where uvloop cannot be had."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    result: Result = uvloop.run(main)
    return result


async def _serve(server: Server, signals: Signals) -> None:
    loop = asyncio.get_running_loop()
    stopping: asyncio.Task[None] | None = None

    def stop() -> None:
        nonlocal stopping
        if stopping is None:
            stopping = loop.create_task(server.stop())
        else:
            server.abort()

    def spare() -> None:
        server.log.line(logging.INFO, "%(name)s does nothing here", name=SPARE)

    async with server:
        chosen_ports(server.listeners.open_at)
        with signals.sent_to(loop, {**dict.fromkeys(STOP, stop), REPORT: server.report, SPARE: spare}):
            await server.stopped()


class Signals:
    """The signals that a server obeys, from before it listens until its last line is written.

    They have Python's plain handlers: those of a loop are gone with it, and then a signal would kill.
    """

    def __init__(self) -> None:
        self._early: list[int] = []
        self._obey: Callable[[int], object] = self._early.append

    def came(self, number: int, _frame: FrameType | None) -> None:
        """The signal `number` was sent to us."""
        self._obey(number)

    @contextmanager
    def sent_to(self, loop: asyncio.AbstractEventLoop, actions: dict[str, Callable[[], None]]) -> Iterator[None]:
        """Have `loop` call an action of `actions` (by signal name) for each signal, those that came already included;
        afterwards signals do nothing.
        """
        numbers = {getattr(signal, name, None): action for name, action in actions.items()}
        waking = getattr(signal, WAKING, None)
        if waking is not None:
            loop.add_signal_handler(waking, lambda: None)  # with one of its own, a loop wakes for any
        self._obey = lambda number: loop.call_soon_threadsafe(numbers[number])
        try:
            for number in self._early:
                self._obey(number)
            yield
        finally:
            self._obey = lambda _number: None
            if waking is not None:
                loop.remove_signal_handler(waking)


@contextmanager
def _signals(last: bool) -> Iterator[Signals]:
    """Catch the signals a server obeys. The old handlers come back after, or, if the process ends then, none does."""
    signals = Signals()
    before: dict[int, Any] = {}
    for name in (*STOP, REPORT, SPARE):
        number = getattr(signal, name, None)
        if number is None:
            continue
        was = signal.getsignal(number)
        if name in ("SIGHUP", SPARE) and was is signal.SIG_IGN:  # by nohup, for one
            continue
        before[number] = signal.SIG_DFL if was is None else was
        signal.signal(number, signals.came)
    try:
        yield signals
    finally:
        for number, was in before.items():
            signal.signal(number, signal.SIG_IGN if last else was)
