"""The log of the command: a bounded queue and a thread between the server and standard error, so that a terminal or
pipe that nobody reads never stops the server.
"""

from __future__ import annotations

import copy
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

from fastserver.log.escape import escape
from fastserver.log.log import logger

MAX_QUEUED: Final = 1000
"""Lines that may wait for the terminal or pipe; what does not fit is counted."""

STOP_TIMEOUT: Final = 1.0
"""Seconds the last lines have to be written at the end."""


class TextFormatter(logging.Formatter):
    """`2026-11-22 12:00:00.000 INFO text`; further lines, such as those of a traceback, are indented, so that none can
    pass for a line of the log."""

    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return "\n    ".join(_harmless(super().format(record)))


class JsonFormatter(logging.Formatter):
    """A JSON object a line: time (ISO 8601, UTC), level, message, and the fields of the line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = dict(record.args) if isinstance(record.args, dict) else {}
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_text:
            entry["exception"] = record.exc_text
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        entry |= {name: value for name, value in fields.items() if name not in entry}
        import json  # most logs are text

        # A reader of the object may show its text on a terminal.
        harmless = {
            key: "\n".join(_harmless(value)) if isinstance(value, str) else value for key, value in entry.items()
        }
        return json.dumps(harmless, default=str)


def _harmless(text: str) -> list[str]:
    """The lines of `text`, in which nothing can act on a terminal: it may quote what a peer sent."""
    return [escape(line.encode("utf-8", "backslashreplace")) for line in text.split("\n")]


_PLAIN: Final = logging.Formatter()


class BoundedHandler(logging.Handler):
    """Puts records into a bounded queue without ever waiting. Records that do not fit are counted, and their number is
    put in before the next."""

    # Not the library's QueueHandler, of which nothing would be left, and which imports pickle and sockets.

    def __init__(self, waiting: queue.Queue[Any]) -> None:
        super().__init__()
        self.lost = 0
        self._waiting = waiting

    def emit(self, record: logging.LogRecord) -> None:
        # As it is: its fields are plain values, which the thread can format. But a traceback holds on to all that its
        # functions had, messages for instance.
        if record.exc_info and not self._waiting.full():
            record = copy.copy(record)
            record.exc_text = _PLAIN.formatException(record.exc_info)  # type: ignore[arg-type]
            record.exc_info = None
        try:
            if self.lost:
                self._waiting.put_nowait(self.lost)
                self.lost = 0
            self._waiting.put_nowait(record)
        except queue.Full:
            self.lost += 1


class Writer(threading.Thread):
    """Takes records, and numbers of lost ones, from the queue, and writes them to a file descriptor.

    If that takes no more, as on a full disk, nothing waits: the rest of the line that is begun is written later, and
    lines that are left out meanwhile are counted.
    """

    def __init__(self, waiting: queue.Queue[Any], descriptor: int, formatter: logging.Formatter) -> None:
        super().__init__(name="fastserver-log", daemon=True)
        self._waiting = waiting
        self._descriptor = descriptor
        self._formatter = formatter
        self._begun = b""  # the rest of a line
        self._lost = 0
        self._why = ""

    def run(self) -> None:
        while (record := self._waiting.get()) is not None:
            if isinstance(record, int):
                if not self._lost:
                    self._why = "the reader of the log is too slow"
                self._lost += record
            elif not (self._ready() and self._write(record)):
                self._lost += 1
        self._ready()

    def _ready(self) -> bool:
        """True if a line can begin: the line that was begun is written, and the number of lost lines is told."""
        if self._begun and not self._pass(self._begun):
            return False
        if self._lost and self._write(_lost(self._lost, self._why)):
            self._lost = 0
        return not (self._begun or self._lost)

    def _write(self, record: logging.LogRecord) -> bool:
        """Write a line; true if it was at least begun."""
        try:
            text = self._formatter.format(record)
        except Exception as error:  # of a library's that logs what it cannot show; the thread must last
            text = self._formatter.format(_unshown(record, error))
        line = f"{text}\n".encode("utf-8", "backslashreplace")
        if self._pass(line) or len(self._begun) < len(line):
            return True
        self._begun = b""
        return False

    def _pass(self, data: bytes) -> bool:
        """Write `data`, and keep the rest that cannot be written in `_begun`; true if there is none."""
        # Past Python's own buffer: its lock, held here while a pipe blocks, would keep the process
        # from ending.
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError as error:
                self._why = error.strerror or str(error)
                break
        self._begun = data
        return not data


def _lost(lines: int, why: str) -> logging.LogRecord:
    return _warning("%(lines)d log lines were lost: %(why)s", {"lines": lines, "why": why[:1].lower() + why[1:]})


def _unshown(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    fields = {"file": record.filename, "line": record.lineno, "error": type(error).__name__}
    return _warning("a log line of %(file)s:%(line)d cannot be shown: %(error)s", fields)


def _warning(kind: str, fields: dict[str, Any]) -> logging.LogRecord:
    return logging.LogRecord(logger.name, logging.WARNING, __file__, 0, kind, (fields,), None)


@contextmanager
def logging_to_console(level: str, form: str, descriptor: int | None = None) -> Iterator[None]:
    """Send the log of the server and of asyncio to standard error (or `descriptor`) inside the `with`.

    `level` is debug, info, warning or error; `form` is text or json.
    """
    waiting: queue.Queue[Any] = queue.Queue(MAX_QUEUED)
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
                waiting.put(handler.lost, timeout=STOP_TIMEOUT)
            waiting.put(None, timeout=max(0.0, deadline - time.monotonic()))
        except queue.Full:
            pass
        writer.join(max(0.0, deadline - time.monotonic()))
