"""Lines: bytes up to LF; a CR before the LF belongs to the line end (RFC 6587, section 3.4.2, as its senders do it)."""

from __future__ import annotations

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.arguments import invalid, limit, octets, stretch
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.form import Form
from fastserver.framing.message import P
from fastserver.framing.messages import Messages, messages_of

LF = b"\n"
CR = b"\r"


def _bounds(frames: bytes, start: int, end: int) -> tuple[int, int]:
    return start, end - (2 if frames.endswith(CR + LF, start, end) else 1)


def escape(payload: bytes) -> bytes:
    r"""`payload` with `\n` for LF and `\r` for CR, two characters each, so that it can be a line.

    Nothing takes that back: a backslash stays one.
    """
    return payload.replace(LF, rb"\n").replace(CR, rb"\r")


FORM = Form(_bounds, BYTES)


class LinesSplitter:
    """Cuts a byte stream into lines of at most `max_message` bytes, line end not counted."""

    __slots__ = ("_dead", "_held", "_max", "_offset", "count")

    skipped = 0
    fault = None

    def __init__(self, max_message: int, invalid_text: str = "close") -> None:
        invalid(invalid_text)  # checked alone: lines may hold any bytes
        self.count = 0
        self._max = limit(max_message)
        self._held = bytearray()
        self._offset = 0  # of the first byte held, in the stream
        self._dead = False

    @property
    def held(self) -> int:
        """Bytes kept of the line that has not ended."""
        return len(self._held)

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Takes the next bytes of the stream, gives every line they end; FrameError at one too long."""
        self.count = 0
        if self._dead:
            raise FrameError(refusals.LINE, self._offset, self._max)
        chunk = stretch(data)
        count = start = 0
        fits = True
        while fits and (end := chunk.find(LF, start)) >= 0:
            fits = self._fits(chunk, start, end)
            if fits:
                start = end + 1
                count += 1
        fits = fits and self._fits(chunk, start, len(chunk))
        frames = chunk[:start]
        if count:
            self._offset += len(self._held) + start
            if self._held:
                frames = bytes(self._held) + frames
                self._held = bytearray()
        if not fits:
            self._dead = True
            self._held = bytearray()
            raise FrameError(refusals.LINE, self._offset, self._max, frames, count)
        self._held += chunk[start:]
        self.count = count
        return frames

    def _fits(self, chunk: bytes, start: int, end: int) -> bool:
        """True if the line whose newest bytes are `chunk[start:end]` may end here, or go on."""
        before = 0 if start else len(self._held)
        over = before + end - start - self._max
        # One byte over the limit is a CR that an LF follows, or must still follow.
        return over <= 0 or (over == 1 and (chunk[end - 1 : end] if end > start else self._held[-1:]) == CR)

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the line that had not ended, LF added, or b"" if there is none."""
        self.count = 0
        if self._dead:
            raise FrameError(refusals.LINE, self._offset, self._max)
        if not self._held:
            return b""
        line = bytes(self._held) + LF
        self._offset += len(self._held)
        self._held = bytearray()
        self.count = 1
        return line

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """A message per line of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        if start < 0:
            raise ValueError(f"frames cannot start at {start}")
        ends: list[int] = []
        at = start
        while at < len(frames) and len(ends) != most:
            at = frames.find(LF, at) + 1
            if not at:
                raise ValueError("frames do not end where a frame ends")
            ends.append(at)
        return messages_of(peer, frames, start, ends, FORM)

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload` as a line, LF added; ValueError if it holds an LF, ends with CR or is over the limit."""
        line = octets(payload)
        if len(line) > self._max:
            raise ValueError(f"payload of {len(line)} bytes (limit {self._max})")
        if (at := line.find(LF)) >= 0:
            raise ValueError(f"payload with a line feed at offset {at}")
        if line.endswith(CR):
            raise ValueError(f"payload that ends with a carriage return at offset {len(line) - 1}")
        return line + LF
