"""Delimited: bytes up to a delimiter, as GELF and rsyslog (FrameDelimiter) send it; or from a start byte up to it, as
between STX and ETX, and in HL7's Minimal Lower Layer Protocol.
"""

from __future__ import annotations

import re
from typing import Final

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.arguments import invalid, limit, octets, skips, stretch
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.form import Form
from fastserver.framing.grammar import Parameter
from fastserver.framing.message import P
from fastserver.framing.messages import Messages, messages_of

LONGEST: Final = 16
"""Bytes of the longest delimiter."""

_WRITTEN = re.compile(r"%([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})|\\([0abtnvfr\\])|([^%\\])", re.DOTALL)
_ESCAPES = dict(zip("0abtnvfr\\", "\0\a\b\t\n\v\f\r\\", strict=True))
_PLAIN = re.compile(rb"[0-9A-Za-z|;,:.~_/*!$^@()\[\]{}<>-]")


class DelimitedSplitter:
    """Cuts a byte stream at a delimiter into messages of at most `max_message` bytes. With `start`, one byte, each
    begins with that, and what lies between two is left out.
    """

    __slots__ = (
        "_dead",
        "_delimiter",
        "_form",
        "_held",
        "_max",
        "_noisy",
        "_offset",
        "_searched",
        "_seeking",
        "_skipping",
        "_skips",
        "_start",
        "count",
        "fault",
        "skipped",
    )

    def __init__(
        self,
        max_message: int,
        invalid_text: str = "close",
        oversize: str = "close",
        delimiter: bytes = b"\0",
        start: bytes = b"",
    ) -> None:
        invalid(invalid_text)  # checked alone: messages may hold any bytes
        self.count = 0
        self.skipped = 0
        self.fault: FrameError | None = None
        self._max = limit(max_message)
        self._skips = skips(oversize)
        self._delimiter = delimiter
        self._start = start
        self._form = _form(start, delimiter)
        self._held = bytearray()
        self._searched = 0  # of what is held, where to search on
        self._offset = 0  # of the first byte held, in the stream
        self._seeking = bool(start)  # what comes next is between two messages
        self._noisy = False  # and there was something
        self._skipping = False  # what comes next belongs to a message over the limit
        self._dead: FrameError | None = None

    @property
    def held(self) -> int:
        """Bytes kept of the message that is not complete."""
        return len(self._held)

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Takes the next bytes of the stream, gives every message they complete; FrameError at one too long."""
        self._begin()
        chunk: bytes | bytearray = stretch(data)
        if self._held:
            self._held += chunk
            chunk = self._held
        kept: list[bytes | bytearray] = []  # the messages before what was left out last
        start = keep = 0  # where the next message begins; those behind what was left out last
        search = self._searched
        while start < len(chunk):
            if self._seeking:
                found = chunk.find(self._start, start)
                end = len(chunk) if found < 0 else found
                if end > start:
                    kept.append(chunk[keep:start])
                    if not self._noisy:
                        self._skip(refusals.OUTSIDE, start, None)
                    self._noisy = True
                    start = keep = end
                if found < 0:
                    break
                self._seeking = self._noisy = False
                search = start + len(self._start)
            found = chunk.find(self._delimiter, search)
            body = start + (0 if self._skipping else len(self._start))
            end = len(chunk) - self._overlap(chunk, body) if found < 0 else found
            after = found + len(self._delimiter)
            if not self._skipping and end - body > self._max:
                if not self._skips:
                    self._dead = FrameError(refusals.OVERSIZE, self._offset + start, self._max)
                    break
                kept.append(chunk[keep:start])
                self._skip(refusals.OVERSIZE, start, self._max)
                self._skipping = True
            if found < 0:
                if self._skipping:
                    start = keep = end
                    search = start
                else:
                    search = max(body, len(chunk) - len(self._delimiter) + 1)
                break
            start = search = after
            if self._skipping:
                keep = after
                self._skipping = False
            else:
                self.count += 1
            self._seeking = bool(self._start)
        frames = bytes(chunk[keep:start])
        if kept:
            frames = b"".join([*kept, frames])
        if self._dead is not None:
            count, self.count = self.count, 0
            self._held = bytearray()
            raise FrameError(self._dead.saw, self._dead.offset, self._dead.limit, frames, count)
        self._offset += start
        self._searched = max(0, search - start)
        if start or not self._held:
            self._held = bytearray(chunk[start:])
        return frames

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the message that had not ended, delimiter added, or b"" if there is none.

        FrameError where messages have a start, so that one without its end is none; and where what is held, with the
        delimiter behind it, is not one message.
        """
        self._begin()
        last, self._held, self._searched = bytes(self._held), bytearray(), 0
        if self._skipping or not last:
            return b""
        if self._start or (last + self._delimiter).find(self._delimiter) < len(last):
            self._dead = FrameError(refusals.ENDED, self._offset)
            self._begin()
        if len(last) > self._max:
            if self._skips:
                self._skip(refusals.OVERSIZE, 0, self._max)
                return b""
            self._dead = FrameError(refusals.OVERSIZE, self._offset, self._max)
            self._begin()
        self._offset += len(last)
        self.count = 1
        return last + self._delimiter

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """A message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative."""

        def end_of(at: int) -> int | None:
            found = frames.find(self._delimiter, at + len(self._start))
            return None if found < 0 else found + len(self._delimiter)

        return messages_of(frames, peer, most, start, self._form, end_of)

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload`, delimiter added; ValueError if a delimiter begins in it, or it is over the limit."""
        body = octets(payload)
        if len(body) > self._max:
            raise ValueError(f"payload of {len(body)} bytes (limit {self._max})")
        at = (body + self._delimiter).find(self._delimiter)
        if at < len(body):
            raise ValueError(f"payload with the delimiter at offset {at}")
        return self._start + body + self._delimiter

    def _begin(self) -> None:
        self.count = self.skipped = 0
        self.fault = None
        if self._dead is not None:
            raise FrameError(self._dead.saw, self._dead.offset, self._dead.limit)

    def _skip(self, saw: str, at: int, limit: int | None) -> None:
        """Leaves out what begins at index `at`."""
        if self.fault is None:
            self.fault = FrameError(saw, self._offset + at, limit)
        self.skipped += 1

    def _overlap(self, data: bytes | bytearray, start: int) -> int:
        """How many bytes at the end of `data[start:]` the delimiter may begin with."""
        for size in range(min(len(self._delimiter) - 1, len(data) - start), 0, -1):
            if data.endswith(self._delimiter[:size]):
                return size
        return 0


def _form(start: bytes, delimiter: bytes) -> Form:
    head, tail = len(start), len(delimiter)
    return Form(lambda frames, first, end: (first + head, end - tail), BYTES)


def read(text: str, least: int, most: int) -> bytes:
    r"""The bytes that a parameter is written as, `least` to `most` of them: `%0B`, `\x0b`, `\0`, or as they are.

    Raises ValueError for anything else.
    """
    found = b""
    at = 0
    while at < len(text):
        match = _WRITTEN.match(text, at)
        if match is None:
            raise ValueError
        percent, hexadecimal, escape, plain = match.groups()
        if percent or hexadecimal:
            found += bytes.fromhex(percent or hexadecimal)
        else:
            found += (_ESCAPES[escape] if escape else plain).encode("utf-8", "surrogateescape")
        at = match.end()
    if not least <= len(found) <= most:
        raise ValueError
    return found


def write(value: bytes) -> str:
    """`value` as a parameter: printable as it is, where that needs no quotes within quotes, else `%HH`."""
    return "".join([chr(byte) if _PLAIN.match(bytes([byte])) else f"%{byte:02X}" for byte in value])


PARAMETERS: Final = (
    Parameter(
        "delimiter",
        "%00",
        "Ends each message.",
        form=r"1 to 16 bytes, each as it is, %HH, \xHH, \0, \t, \n or \r",
        parse=lambda text: read(text, 1, LONGEST),
        show=write,
    ),
    Parameter(
        "start",
        "",
        "Begins each message; what lies before it is skipped.",
        form="no byte or one, written likewise",
        parse=lambda text: read(text, 0, 1),
        show=write,
    ),
)
