"""The server's log: at most so many lines of one kind in a second; the rest is counted, and told in one line."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastserver.log.escape import escape

if TYPE_CHECKING:
    from fastserver.clock import Clock

MAX_SHOWN: Final = 200
"""Bytes of a message shown in the log."""

MESSAGE: Final = "Received message from %(id)d %(address)s: %(text)s"

_FIELD = re.compile(r"%\(\w+\)[\d.]*\w")

logger = logging.getLogger("fastserver")


class Texts(Protocol):
    """Shows messages of one framing."""

    def texts(self, frames: bytes, count: int, most: int) -> Iterable[tuple[str, int]]:
        """The first `count` messages of `frames` (complete): for each its text, which is harmless on a terminal and has
        no more than `most` bytes and a note, and the bytes of its frame.
        """


class Log:
    """Writes to the logger `fastserver`; the fields of a line are the `args` of its record, a dict.

    At most `per_second` lines of one kind pass in a second of `clock`.
    """

    def __init__(self, per_second: int, clock: Clock) -> None:
        self.content_level = logging.DEBUG
        """The level at which messages are logged: debug, since they are the program's own affair; info under `run`."""
        self._per_second = per_second
        self._clock = clock
        self._timing = False
        self._used: dict[str, int] = {}  # lines of each kind in this second
        self._levels: dict[str, int] = {}
        self._room = per_second
        self._spent = False  # this second has no room for another message
        self._more_messages = 0
        self._more_bytes = 0

    @property
    def shows_messages(self) -> bool:
        """True if messages are logged at all."""
        return self._per_second > 0 and logger.isEnabledFor(self.content_level)

    def line(self, level: int, kind: str, /, **fields: Any) -> None:
        """Log one line; `kind` is its template, with `%(name)s` for each field."""
        self._line(level, kind, fields, None)

    def failure(self, kind: str, error: BaseException, /, **fields: Any) -> None:
        """Log one line with the traceback of `error`, which the template calls `%(error)s`."""
        self._line(logging.ERROR, kind, {**fields, "error": summary(error)}, error)

    def messages(self, id: int, address: str, texts: Texts, frames: bytes, count: int) -> None:
        """Log a line for each of the `count` messages in `frames`, which the peer `id` at `address` sent, as far as
        this second has room. `texts` knows their framing.
        """
        if self._spent:  # the usual case under load: nothing but two sums
            self._more_messages += count
            self._more_bytes += len(frames)
            return
        if not self.shows_messages:
            return
        self._start_timer()
        shown = min(self._room, count)
        if shown:
            self._room -= shown
            self._spent = not self._room
            for text, size in texts.texts(frames, shown, MAX_SHOWN):
                logger.log(self.content_level, MESSAGE, {"id": id, "address": address, "text": text})
                self._more_bytes -= size
        self._more_bytes += len(frames)
        self._more_messages += count - shown

    def flush(self) -> None:
        """Log how much was left out, and begin a new second."""
        self._timing = False
        if self._more_messages:
            logger.log(
                self.content_level,
                "%(messages)d more messages (%(bytes)d bytes)",
                {"messages": self._more_messages, "bytes": self._more_bytes},
            )
        self._room, self._more_messages, self._more_bytes = self._per_second, 0, 0
        self._spent = False
        used, self._used = self._used, {}
        for kind, lines in used.items():
            more = lines - max(self._per_second, 1)
            if more > 0:
                like = _FIELD.sub("…", kind)
                logger.log(self._levels[kind], "%(more)d more like this: %(like)s", {"more": more, "like": like})

    def _line(self, level: int, kind: str, fields: dict[str, Any], error: BaseException | None) -> None:
        if not logger.isEnabledFor(level):
            return
        self._start_timer()
        used = self._used[kind] = self._used.get(kind, 0) + 1
        self._levels[kind] = level
        if used > max(self._per_second, 1):
            return
        arguments = (fields,) if fields else ()
        about = None if error is None else (type(error), error, error.__traceback__)
        record = logger.makeRecord(logger.name, level, __file__, 0, kind, arguments, about)
        if error is not None:
            record.exc_text = traceback_of(error)
        logger.handle(record)

    def _start_timer(self) -> None:
        if not self._timing:
            self._clock.call_later(1.0, self.flush)
            self._timing = True


def summary(error: BaseException) -> str:
    """Type and text of `error` in one line, harmless on a terminal: it may quote bytes of a peer."""
    return _escaped("".join(traceback.format_exception_only(type(error), error)).strip())


def traceback_of(error: BaseException) -> str:
    """The traceback of `error`, indented, so that no line of it looks like a line of the log."""
    lines = "".join(traceback.format_exception(error)).rstrip().split("\n")
    return "\n".join("  " + _escaped(line) for line in lines)


def _escaped(text: str) -> str:
    return escape(text.encode("utf-8", "backslashreplace"))


def tell(kind: str, fields: dict[str, Any]) -> None:
    """Log one line that was asked for, whatever the level and the limits."""
    logger.handle(logger.makeRecord(logger.name, logging.INFO, __file__, 0, kind, (fields,), None))
