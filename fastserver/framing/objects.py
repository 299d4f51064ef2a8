"""The splitter that both MessagePack framings share; each adds how a frame begins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.arguments import invalid, limit, skips, stretch
from fastserver.framing.form import Form
from fastserver.framing.message import P
from fastserver.framing.messages import Messages, messages_of
from fastserver.framing.scan import Overlong, Scan, Toss


class ObjectSplitter(ABC):
    """Cuts a byte stream into frames that hold one msgpack object each, of at most `max_message` bytes.

    `invalid_text` decides about an object with text that is not UTF-8: `close` refuses it, `skip` leaves it out, and
    one with a malformed timestamp too, `pass` gives it as it is.
    """

    __slots__ = (
        "_began",
        "_dead",
        "_held",
        "_invalid",
        "_max",
        "_offset",
        "_passing",
        "_scan",
        "_skips",
        "count",
        "fault",
        "skipped",
    )

    def __init__(self, max_message: int, invalid_text: str = "close", oversize: str = "close") -> None:
        self.count = 0
        self.skipped = 0
        self.fault: FrameError | None = None
        self._max = limit(max_message)
        self._invalid = invalid(invalid_text)
        self._skips = skips(oversize)
        self._held = bytearray()
        self._scan: Scan | Toss | None = None  # of what is held, None while even its prefix is incomplete
        self._passing = False  # what comes next belongs to an object over the limit
        self._began = 0  # where that began in the stream
        self._offset = 0  # of the first byte held, in the stream
        self._dead: FrameError | None = None

    _form: ClassVar[Form]

    @abstractmethod
    def _begin(self, data: bytes | bytearray, start: int) -> Scan | None:
        """The scan of the frame at `data[start]`; None if its prefix is incomplete."""

    @abstractmethod
    def _pass(self, scan: Scan | None, start: int) -> Scan | Toss:
        """Finds the end of the frame that begins at index `start`, which is over the limit; `scan` is as far as it
        got.
        """

    @property
    def held(self) -> int:
        """Bytes kept of the frame that is not complete."""
        return len(self._held)

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Takes the next bytes of the stream, gives every frame they complete; FrameError at a wrong one."""
        self.count = self.skipped = 0
        self.fault = None
        self._check_alive()
        chunk: bytes | bytearray = stretch(data)
        if self._held:
            self._held += chunk
            chunk = self._held
        scan, self._scan = self._scan, None
        count = start = 0
        kept: list[bytes | bytearray] = []  # the frames before what was skipped last
        keep = 0  # where those behind it begin
        fault: FrameError | None = None
        try:
            while start < len(chunk):
                try:
                    if scan is None:
                        scan = self._begin(chunk, start)
                    done = scan is not None and scan.run(chunk)
                except Overlong as error:
                    if not self._skips or self._passing:
                        raise
                    kept.append(chunk[keep:start])
                    keep = start
                    self._skip(error.saw, error.offset, error.limit)
                    self._passing = True
                    self._began = self._offset + start
                    scan = self._pass(scan if isinstance(scan, Scan) else None, start)
                    continue
                if self._passing and scan is not None:
                    start = keep = scan.at  # nothing of it is held
                if scan is None or not done:
                    break
                if self._passing:
                    self._passing = False
                elif scan.fault is None:
                    count += 1
                else:
                    kept.append(chunk[keep:start])
                    keep = scan.at
                    self._skip(*scan.fault)
                start = scan.at
                scan = None
        except FrameError as error:
            fault = error
        frames = bytes(chunk[keep:start]) if start > keep else b""
        if kept:
            frames = b"".join([*kept, frames])
        if fault is not None:
            self._dead = FrameError(fault.saw, self._offset + fault.offset, fault.limit)
            self._held = bytearray()
            raise FrameError(fault.saw, self._dead.offset, fault.limit, frames, count)
        self._offset += start
        if start or not self._held:
            self._held = bytearray(chunk[start:])
        if scan is not None:
            scan.shift(start)
            self._scan = scan
        self.count = count
        return frames

    def finish(self) -> bytes:
        """Tells the end of the stream: b"", or FrameError if that is inside a frame."""
        self.count = self.skipped = 0
        self.fault = None
        self._check_alive()
        if self._held or self._passing:
            self._dead = FrameError(refusals.ENDED, self._began if self._passing else self._offset)
            self._held = bytearray()
            self._scan = None
            self._check_alive()
        return b""

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """A message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative."""

        def end_of(at: int) -> int | None:
            scan = self._begin(frames, at)
            return None if scan is None else scan.ends(frames)

        return messages_of(frames, peer, most, start, self._form, end_of)

    def _skip(self, saw: str, at: int, limit: int | None) -> None:
        if self.fault is None:
            self.fault = FrameError(saw, self._offset + at, limit)
        self.skipped += 1

    def _check_alive(self) -> None:
        if self._dead is not None:
            raise FrameError(self._dead.saw, self._dead.offset, self._dead.limit)
