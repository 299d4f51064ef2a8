"""The splitter of frames that begin with the length of their payload; each grammar adds how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Final

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.arguments import invalid, limit, octets, skips, stretch
from fastserver.framing.form import Form
from fastserver.framing.message import P
from fastserver.framing.messages import Messages, messages_of

CLOSE: Final = "close"


class HeadedSplitter(ABC):
    """Cuts a byte stream into frames that are a head, a payload of at most `max_message` bytes, and a tail.

    A longer payload is refused, or with `oversize="skip"` thrown away as it comes, exactly as long as its head says.
    """

    __slots__ = ("_dead", "_held", "_left", "_max", "_passed", "_skips", "_start", "count", "fault", "skipped")

    _tail: ClassVar[bytes] = b""
    """The byte behind each payload, if there is one."""
    _between: ClassVar[bytes] = b""
    """The bytes that may stand between frames, and are not passed on."""
    _least: ClassVar[int] = 0
    """Bytes of the shortest payload that a head can tell."""

    def __init__(self, max_message: int, invalid_text: str = CLOSE, oversize: str = CLOSE) -> None:
        invalid(invalid_text)  # checked alone: payloads may hold any bytes
        self.count = 0
        self.skipped = 0
        self.fault: FrameError | None = None
        self._max = limit(max_message)
        self._skips = skips(oversize)
        self._start = 0  # where the frame in progress begins in the stream
        self._held = bytearray()  # of that frame
        self._passed = 0  # bytes of it that were thrown away
        self._left = 0  # bytes of it that are still to be thrown away
        self._dead: FrameError | None = None

    @property
    @abstractmethod
    def _form(self) -> Form:
        """The form of the frames."""

    @property
    @abstractmethod
    def _most(self) -> int:
        """Bytes of the longest payload that a head can tell."""

    @abstractmethod
    def _read(self, data: bytes | bytearray, start: int) -> tuple[int, int] | None:
        """The bytes of the head at `data[start]` and those of the payload that it tells; None if it is incomplete.

        Raises FrameError, with an offset in `data`, at the first byte that shows that it is malformed or, unless such
        payloads are skipped, that the payload is over the limit.
        """

    @abstractmethod
    def _head(self, length: int) -> bytes:
        """The head of a payload of that length (bytes)."""

    @property
    def held(self) -> int:
        """Bytes kept of the frame that is not complete."""
        return len(self._held)

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Takes the next bytes of the stream, gives every frame they complete; FrameError at a wrong one."""
        self.count = self.skipped = 0
        self.fault = None
        self._check_alive()
        base = self._start + self._passed  # where `chunk` begins in the stream
        chunk: bytes | bytearray = stretch(data)
        if self._held:
            self._held += chunk
            chunk = self._held
        runs: list[bytes | bytearray] = []  # of frames, before what was left out between them
        count = keep = end = 0  # where the last run begins, and ends
        fault: FrameError | None = None
        try:
            at = self._throw_away(chunk, 0)
            while at < len(chunk):
                if chunk[at] in self._between:
                    at += 1
                    continue
                read = self._read(chunk, at)
                if read is None:
                    break
                head, length = read
                total = head + length + len(self._tail)
                if length > self._max:
                    self._skip(length, base + at, total)
                    at = self._throw_away(chunk, at)
                    continue
                if at + total > len(chunk):
                    break
                self._check_tail(chunk, at + total)
                if at != end:
                    runs.append(chunk[keep:end])
                    keep = at
                at += total
                end = at
                count += 1
        except FrameError as error:
            fault = error
        frames = bytes(chunk[keep:end])
        if runs:
            frames = b"".join([*runs, frames])
        if fault is not None:
            self._die(fault.saw, base + fault.offset, fault.limit, fault.hint)
            raise FrameError(fault.saw, base + fault.offset, fault.limit, frames, count, fault.hint)
        if not self._left:
            self._start = base + at
            self._passed = 0
        if at or not self._held:
            self._held = bytearray(chunk[at:])
        self.count = count
        return frames

    def finish(self) -> bytes:
        """Tells the end of the stream: b"", or FrameError if that is inside a frame."""
        self.count = self.skipped = 0
        self.fault = None
        self._check_alive()
        if self._held or self._left:
            self._die(refusals.ENDED, self._start)
            self._check_alive()
        return b""

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """A message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative."""

        def end_of(at: int) -> int | None:
            read = self._read(frames, at)
            end = len(frames) + 1 if read is None else at + sum(read) + len(self._tail)
            if end > len(frames):
                return None
            self._check_tail(frames, end)
            return end

        return messages_of(frames, peer, most, start, self._form, end_of)

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload` between head and tail; ValueError if it is over the limit or of a size that no head can tell."""
        body = octets(payload)
        most = min(self._max, self._most)
        if len(body) > most:
            raise ValueError(f"payload of {len(body)} bytes (limit {most})")
        if len(body) < self._least:
            raise ValueError(f"payload of {len(body)} bytes (at least {self._least})")
        return self._head(len(body)) + body + self._tail

    def _skip(self, length: int, start: int, total: int) -> None:
        """Begins to leave out a message of `length` bytes, whose frame of `total` bytes begins at `start`."""
        if self.fault is None:
            self.fault = FrameError(refusals.size(refusals.MESSAGE, length, length), start, self._max)
        self.skipped += 1
        self._start = start
        self._passed = 0
        self._left = total

    def _throw_away(self, chunk: bytes | bytearray, at: int) -> int:
        """Throws away what there is, from `at` on, of the frame that is left out, if any is: where that ends."""
        if not self._left:
            return at
        end = min(at + self._left, len(chunk))
        self._left -= end - at
        self._passed += end - at
        if not self._left:
            self._check_tail(chunk, end)
        return end

    def _check_tail(self, data: bytes | bytearray, end: int) -> None:
        """Raises FrameError if the frame that ends at `data[end]` has not the right tail."""
        if not data.endswith(self._tail, 0, end):
            raise FrameError(refusals.NO_COMMA, end - 1)

    def _die(self, saw: str, offset: int, limit: int | None = None, hint: str = "") -> None:
        self._dead = FrameError(saw, offset, limit, hint=hint)
        self._held = bytearray()
        self._left = 0

    def _check_alive(self) -> None:
        dead = self._dead
        if dead is not None:
            raise FrameError(dead.saw, dead.offset, dead.limit, hint=dead.hint)
