"""Lines: bytes up to LF; a CR before the LF belongs to the line end (RFC 6587, section 3.4.2, as its senders do it)."""

from __future__ import annotations

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.arguments import invalid, limit, octets, skips, stretch
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.form import Form
from fastserver.framing.message import P
from fastserver.framing.messages import Messages, messages_of

LF = b"\n"
CR = b"\r"


def bounds(frames: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the payload of the line `frames[start:end]` begins and ends."""
    return start, end - (2 if frames.endswith(CR + LF, start, end) else 1)


def escape(payload: bytes) -> bytes:
    r"""`payload` with `\n` for LF and `\r` for CR, two characters each, so that it can be a line.

    Nothing takes that back: a backslash stays one.
    """
    return payload.replace(LF, rb"\n").replace(CR, rb"\r")


FORM = Form(bounds, BYTES)


def with_crlf(lines: bytes) -> bytes:
    """`lines` with CR LF at their ends."""
    if lines.count(LF) == lines.count(CR + LF):
        return lines
    return lines.replace(CR + LF, LF).replace(LF, CR + LF)


def messages_in(frames: bytes, peer: P, most: int, start: int, form: Form) -> Messages[P]:
    """A message per line of `frames[start:]`, of that form, from `peer`; the first `most` if that is not negative."""
    return messages_of(frames, peer, most, start, form, lambda at: frames.find(LF, at) + 1 or None)


class LinesSplitter:
    """Cuts a byte stream into lines of at most `max_message` bytes, line end not counted. With `eol="crlf"` all get
    CR LF at their ends.
    """

    __slots__ = ("_crlf", "_dead", "_held", "_max", "_offset", "_skipping", "_skips", "count", "fault", "skipped")

    def __init__(self, max_message: int, invalid_text: str = "close", oversize: str = "close", eol: str = "lf") -> None:
        invalid(invalid_text)  # checked alone: lines may hold any bytes
        self.count = 0
        self.skipped = 0
        self.fault: FrameError | None = None
        self._max = limit(max_message)
        self._skips = skips(oversize)
        self._crlf = eol == "crlf"
        self._held = bytearray()
        self._skipping = False  # what comes next belongs to a line over the limit
        self._offset = 0  # of the first byte held, in the stream
        self._dead = False

    @property
    def held(self) -> int:
        """Bytes kept of the line that has not ended."""
        return len(self._held)

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Takes the next bytes of the stream, gives every line they end; FrameError at one too long."""
        self._begin()
        chunk = stretch(data)
        base = self._offset + len(self._held)  # of `chunk` in the stream
        kept: list[bytes] = []  # the lines before what was skipped last
        count = start = keep = 0  # `keep`: where those behind it begin
        fits = True
        while fits:
            end = chunk.find(LF, start)
            after = len(chunk) if end < 0 else end + 1
            if self._skipping:
                self._skipping = end < 0
                start = keep = after
            elif not self._fits(chunk, start, len(chunk) if end < 0 else end):
                fits = self._skips
                if fits:
                    kept.append(self._lines(chunk, keep, start))
                    self._skip(base + start if start else self._offset)
                    self._skipping = end < 0
                    start = keep = after
            elif end >= 0:
                start = after
                count += 1
            if end < 0:
                break
        frames = self._lines(chunk, keep, start)
        if kept:
            frames = b"".join([*kept, frames])
        if start:
            self._offset = base + start
            self._held = bytearray()
        if self._crlf:
            frames = with_crlf(frames)
        if not fits:
            self._dead = True
            self._held = bytearray()
            raise FrameError(refusals.LINE, self._offset, self._max, frames, count)
        self._held += chunk[start:]
        self.count = count
        return frames

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the line that had not ended, with an end, or b"" if there is none."""
        self._begin()
        if not self._held:
            return b""
        line = bytes(self._held) + LF
        self._offset += len(self._held)
        self._held = bytearray()
        self.count = 1
        return with_crlf(line) if self._crlf else line

    def _begin(self) -> None:
        self.count = self.skipped = 0
        self.fault = None
        if self._dead:
            raise FrameError(refusals.LINE, self._offset, self._max)

    def _fits(self, chunk: bytes, start: int, end: int) -> bool:
        """True if the line whose newest bytes are `chunk[start:end]` may end here, or go on."""
        before = 0 if start else len(self._held)
        over = before + end - start - self._max
        # A line may be one byte over the limit if that is a CR, which an LF follows or must still follow.
        return over <= 0 or (over == 1 and (chunk[end - 1 : end] if end > start else self._held[-1:]) == CR)

    def _lines(self, chunk: bytes, start: int, end: int) -> bytes:
        """The lines in `chunk[start:end]`, and what is held before the first of `chunk`."""
        return chunk[start:end] if start or not (end and self._held) else bytes(self._held) + chunk[:end]

    def _skip(self, offset: int) -> None:
        """Leaves out the line that began at `offset` of the stream."""
        if self.fault is None:
            self.fault = FrameError(refusals.LINE, offset, self._max)
        self.skipped += 1
        self._held = bytearray()

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """A message per line of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        return messages_in(frames, peer, most, start, FORM)

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload` as a line, its end added; ValueError if it holds an LF, is over the limit, or ends with CR where
        ends are LF.
        """
        line = octets(payload)
        if len(line) > self._max:
            raise ValueError(f"payload of {len(line)} bytes (limit {self._max})")
        if (at := line.find(LF)) >= 0:
            raise ValueError(f"payload with a line feed at offset {at}")
        if self._crlf:
            return line + CR + LF
        if line.endswith(CR):
            raise ValueError(f"payload that ends with a carriage return at offset {len(line) - 1}")
        return line + LF
