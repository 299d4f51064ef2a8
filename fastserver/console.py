"""Where the log goes when the command runs: a bounded queue and a thread between the server and standard
error, so that a terminal or pipe nobody reads never stops the server.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from fastserver.log import logger

QUEUE: Final = 1000
"""Lines that may wait for the terminal or pipe; what does not fit is counted."""

STOP_TIMEOUT: Final = 1.0
"""Seconds the last lines have to be written at the end."""


class TextFormatter(logging.Formatter):
    """`2026-11-22 12:00:00.000 INFO text`."""

    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")


class JsonFormatter(logging.Formatter):
    """A JSON object a line: time (ISO 8601, UTC), level, message, and the fields of the line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = dict(record.args) if isinstance(record.args, dict) else {}
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        import json  # most logs are text

        return json.dumps(entry, default=str)


class BoundedHandler(logging.Handler):
    """Puts records into a bounded queue without ever waiting; counts those that do not fit."""

    # Not the library's QueueHandler: of that nothing would be left, and it imports pickle and sockets.

    def __init__(self, waiting: queue.Queue[Any]) -> None:
        super().__init__()
        self.lost = 0
        self._waiting = waiting

    def emit(self, record: logging.LogRecord) -> None:
        # As it is: its fields are plain values, which the thread can format.
        try:
            if self.lost:
                self._waiting.put_nowait(_lost(self.lost))
                self.lost = 0
            self._waiting.put_nowait(record)
        except queue.Full:
            self.lost += 1


class Writer(threading.Thread):
    """Takes records from the queue and writes them to a file descriptor."""

    def __init__(self, waiting: queue.Queue[Any], descriptor: int, formatter: logging.Formatter) -> None:
        super().__init__(name="fastserver-log", daemon=True)
        self._waiting = waiting
        self._descriptor = descriptor
        self._formatter = formatter

    def run(self) -> None:
        while (record := self._waiting.get()) is not None:
            line = self._formatter.format(record) + "\n"
            # Past Python's own buffer: its lock, held here while a pipe blocks, would keep the process
            # from ending.
            self._write(line.encode("utf-8", "backslashreplace"))

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError:
                return  # nobody can read it any more


def _lost(lines: int) -> logging.LogRecord:
    fields = {"lines": lines}
    text = "%(lines)d log lines were lost: whoever reads the log is too slow"
    return logging.LogRecord(logger.name, logging.WARNING, __file__, 0, text, (fields,), None)


@contextmanager
def logging_to_console(level: str, form: str, descriptor: int | None = None) -> Iterator[None]:
    """Send the log of the server and of asyncio to standard error (or `descriptor`) inside the `with`.

    `level` is debug, info, warning or error; `form` is text or json.
    """
    waiting: queue.Queue[Any] = queue.Queue(QUEUE)
    handler = BoundedHandler(waiting)
    descriptor = sys.__stderr__.fileno() if descriptor is None and sys.__stderr__ else descriptor
    writer = Writer(
        waiting, 2 if descriptor is None else descriptor, JsonFormatter() if form == "json" else TextFormatter()
    )
    loggers = [logger, logging.getLogger("asyncio")]
    before = [(one, one.level, one.propagate) for one in loggers]
    for one in loggers:
        one.addHandler(handler)
        one.propagate = False
        one.setLevel(level.upper())
    writer.start()
    try:
        yield
    finally:
        for one, was, propagated in before:
            one.removeHandler(handler)
            one.setLevel(was)
            one.propagate = propagated
        deadline = time.monotonic() + STOP_TIMEOUT
        try:
            if handler.lost:
                waiting.put(_lost(handler.lost), timeout=STOP_TIMEOUT)
            waiting.put(None, timeout=max(0.0, deadline - time.monotonic()))
        except queue.Full:
            pass
        writer.join(max(0.0, deadline - time.monotonic()))
