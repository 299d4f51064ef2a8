"""A process of its own for a server: event loop, signals, log; all put back afterwards."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from fastserver.access.descriptors import check_loop
from fastserver.listeners.announcement import chosen_ports
from fastserver.log.console import logging_to_console
from fastserver.log.log import logger
from fastserver.process.allocator import keep_freed_memory
from fastserver.process.descriptors import fill_standard, raise_limit

if TYPE_CHECKING:
    from fastserver.config.config import Config
    from fastserver.listeners.listeners import Listeners
    from fastserver.log.log import Log

Result = TypeVar("Result")

STOP: Final = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that stop the server in order; SIGHUP is that of a terminal that closes."""

REPORT: Final = "SIGUSR1"

SPARE: Final = "SIGUSR2"
"""A signal that is caught, since it would end the process otherwise, and does nothing."""

WAKING: Final = "SIGWINCH"
"""A signal that does nothing in a process that does not catch it."""


class Service(Protocol):
    """A server, as far as its process has to know it. Entering it starts it, leaving it stops it."""

    @property
    def config(self) -> Config: ...

    @property
    def log(self) -> Log: ...

    @property
    def listeners(self) -> Listeners: ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def stop(self) -> None:
        """Stop in order."""

    async def stopped(self) -> None:
        """Return when it has stopped. Raises `SystemExit` or `KeyboardInterrupt` if a handler did."""

    def abort(self) -> None:
        """Close every connection at once."""

    def report(self) -> None:
        """Write the totals to the log."""


def run(server: Service, warnings: Iterable[str] = (), *, last: bool = False, log: bool = True) -> None:
    """Run `server` until SIGINT, SIGTERM or SIGHUP; a second one ends it at once. SIGUSR1 writes a report.

    `warnings` are the first lines of the log. `last` says that the process ends after this: late signals then do
    nothing. The log goes to standard error if `log`, else where the program sends it.

    Raises `ListenError`; `SystemExit` or `KeyboardInterrupt`, after the stop, if a handler did; RuntimeError in a
    running loop or outside the main thread.
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


async def _serve(server: Service, signals: Signals) -> None:
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

    They have Python's plain handlers: those of a loop go with the loop, and a signal would then end the process.
    """

    def __init__(self) -> None:
        self._early: list[int] = []
        self._obey: Callable[[int], object] = self._early.append

    def came(self, number: int, _frame: FrameType | None) -> None:
        """The signal `number` came."""
        self._obey(number)

    @contextmanager
    def sent_to(self, loop: asyncio.AbstractEventLoop, actions: dict[str, Callable[[], None]]) -> Iterator[None]:
        """Have `loop` call the action (by signal name) for each signal, also for those that came before; after the
        block signals do nothing.
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
    """Catch the signals that a server obeys. Afterwards the old handlers are back, or, if this is the `last` that the
    process does, signals are ignored.
    """
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
