"""Syslog over TCP (RFC 6587), as its senders do it: octet counting or lines, which each stream decides once.

If each message decided for itself, a line that begins with digits could pass for a length, and the lines behind it for
its payload.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from fastserver.errors import FrameError
from fastserver.framing.arguments import stretch
from fastserver.framing.headed import CLOSE
from fastserver.framing.lines import LinesSplitter
from fastserver.framing.message import P
from fastserver.framing.messages import Messages
from fastserver.framing.octet import OctetSplitter

COUNTED: Final = re.compile(rb"[1-9][0-9]{0,9} <[0-9]{1,3}>")
"""The beginning of a stream of counted messages: a length, and the priority that each syslog message begins with."""
UNDECIDED: Final = re.compile(rb"([1-9][0-9]{0,9}( (<[0-9]{0,3})?)?)?")
"""The beginning of a stream that may still turn out as one of these."""
DECIDING: Final = 16
"""Bytes that are enough to tell."""


class SyslogSplitter:
    """Takes octet-counted messages or lines of at most `max_message` bytes, gives octet-counted ones.

    The first bytes of a stream decide for all of it; lines it is where as many as the limit do not tell. An empty line
    is no message: no octet count can tell it.
    """

    __slots__ = ("_beginning", "_lines", "_max", "_octet", "_splitter", "count")

    def __init__(self, max_message: int, invalid_text: str = CLOSE, oversize: str = CLOSE) -> None:
        self.count = 0
        self._max = max_message
        self._octet = OctetSplitter(max_message, invalid_text, oversize)
        self._lines = LinesSplitter(max_message, invalid_text, oversize)
        self._splitter: OctetSplitter | LinesSplitter | None = None  # one of these, once that is decided
        self._beginning = b""  # of the stream, until then

    @property
    def held(self) -> int:
        """Bytes kept of the message that is not complete, or of the beginning that has not decided."""
        return len(self._beginning) if self._splitter is None else self._splitter.held

    @property
    def skipped(self) -> int:
        """Number of messages that the last `feed` left out."""
        return 0 if self._splitter is None else self._splitter.skipped

    @property
    def fault(self) -> FrameError | None:
        """The reason why the first of those was left out."""
        return None if self._splitter is None else self._splitter.fault

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Takes the next bytes of the stream, gives every message they complete; FrameError at a wrong one."""
        if self._splitter is None:
            data = self._beginning + stretch(data)
            known = data[: min(DECIDING, self._max + 1)]
            if len(known) <= self._max and UNDECIDED.fullmatch(known):
                self._beginning = known
                return b""
            self._splitter = self._octet if COUNTED.match(known) else self._lines
            self._beginning = b""
        return self._count(self._splitter.feed, data)

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the line that had not ended, b"" if there is none; FrameError inside a
        counted message.
        """
        if self._splitter is None:
            self._splitter = self._lines
            self._splitter.feed(self._beginning)
            self._beginning = b""
        return self._count(self._splitter.finish)

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """A message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        return self._octet.messages(frames, peer, most, start)

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload` behind its length; ValueError if it is empty or over the limit."""
        return self._octet.frame(payload)

    def _count(self, call: Callable[..., bytes], *data: bytes | bytearray | memoryview) -> bytes:
        """The frames that a call of the splitter gives, as counted messages."""
        self.count = 0
        counted = self._splitter is self._octet
        try:
            frames = call(*data)
        except FrameError as error:
            if counted:
                raise
            frames, count = self._from_lines(error.frames)
            raise FrameError(error.saw, error.offset, error.limit, frames, count) from None
        if counted:
            self.count = self._octet.count
        else:
            frames, self.count = self._from_lines(frames)
        return frames

    def _from_lines(self, lines: bytes) -> tuple[bytes, int]:
        """`lines`, but for empty ones, as counted messages, and how many there are."""
        payloads = [message.payload for message in self._lines.messages(lines, None) if message.payload]
        return b"".join(map(self._octet.frame, payloads)), len(payloads)
