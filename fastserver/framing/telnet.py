"""Telnet: lines with commands among them, which are taken out (RFC 854). Every option is refused (RFC 1143).

What that leaves is the network virtual terminal as it begins: a line at a time, which its user's own side shows. Even
for ECHO and SUPPRESS-GO-AHEAD a yes would be wrong: with both, clients show nothing themselves and send byte by byte.
"""

from __future__ import annotations

import re
from enum import IntEnum, auto
from typing import Final

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.arguments import invalid, limit, octets, skips, stretch
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.form import Form
from fastserver.framing.lines import CR, LF, bounds, messages_in
from fastserver.framing.message import P
from fastserver.framing.messages import Messages

NUL: Final = b"\0"
IAC: Final = b"\xff"
"""Interpret as command: the byte before each command. Twice, it stands for itself."""
SE, SB, WILL, WONT, DO, DONT = 240, 250, 251, 252, 253, 254
"""The commands that are more than one byte: the end and the beginning of a subnegotiation, and those of options."""

REFUSAL: Final = {WILL: DONT, DO: WONT}
WITHDRAWN: Final = {WONT: DONT, DONT: WONT}
"""The refusals that end when an offer is withdrawn, by the verbs that withdraw it."""


class Step(IntEnum):
    """Kinds that the next byte may be of."""

    TEXT = auto()
    """Part of a line, or IAC."""
    COMMAND = auto()
    """Behind IAC."""
    OPTION = auto()
    """Behind WILL, WONT, DO or DONT."""
    INSIDE = auto()
    """Part of a subnegotiation, or IAC."""
    INSIDE_COMMAND = auto()
    """Behind IAC in a subnegotiation."""


RUNS: Final = {Step.TEXT: re.compile(rb"[^\xff\r\n]+"), Step.INSIDE: re.compile(rb"[^\xff]+")}
"""Bytes that mean nothing else."""


def _plain(body: bytes) -> bytes:
    """The payload that `body` stands for."""
    return body.replace(IAC + IAC, IAC).replace(CR + NUL, CR)


FORM = Form(bounds, BYTES, _plain)


class TelnetSplitter:
    """Cuts a byte stream into lines of at most `max_message` bytes, as they are without commands and line ends.

    All come out in one form: IAC doubled, NUL behind each CR, and CR LF at the end. A subnegotiation is thrown away as
    it comes, and refused if it is longer than a line may be.
    """

    __slots__ = (
        "_began",
        "_cr",
        "_dead",
        "_due",
        "_fed",
        "_frames",
        "_inside",
        "_line",
        "_max",
        "_offset",
        "_refused",
        "_size",
        "_skipping",
        "_skips",
        "_step",
        "_verb",
        "count",
        "fault",
        "skipped",
    )

    def __init__(self, max_message: int, invalid_text: str = "close", oversize: str = "close") -> None:
        invalid(invalid_text)  # checked alone: lines may hold any bytes
        self.count = 0
        self.skipped = 0
        self.fault: FrameError | None = None
        self._max = limit(max_message)
        self._skips = skips(oversize)
        self._fed = 0  # bytes of the stream before those that are fed
        self._frames = bytearray()  # that they complete
        self._offset = 0  # where the line in progress begins in the stream
        self._line = bytearray()  # that line as it comes out, as far as is decided
        self._size = 0  # bytes of its payload
        self._cr = False  # a CR came last, which is the line's or its end's
        self._skipping = False  # it is over the limit, and what comes next belongs to it
        self._step = Step.TEXT
        self._verb = 0  # the command whose option is next
        self._began = 0  # where the subnegotiation begins in the stream
        self._inside = 0  # bytes of it
        self._refused: set[tuple[int, int]] = set()  # offers that stand: what refuses them, and their options
        self._due: set[tuple[int, int]] = set()  # refusals that are to be sent
        self._dead: FrameError | None = None

    @property
    def held(self) -> int:
        """Bytes kept of the line that has not ended, as it comes out."""
        return 0 if self._skipping else len(self._line) + self._cr + (self._step == Step.COMMAND)

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Takes the next bytes of the stream, gives every line they end; FrameError at one too long."""
        self._begin()
        chunk = stretch(data)
        at = count = 0
        try:
            while at < len(chunk):
                run = RUNS[self._step].match(chunk, at) if self._step in RUNS else None
                if run is None:
                    count += self._take(chunk[at], self._fed + at)
                    at += 1
                else:
                    self._take_run(run[0])
                    at = run.end()
        except FrameError as error:
            frames = bytes(self._frames)
            self._dead = error
            self._restart()
            raise FrameError(error.saw, error.offset, error.limit, frames, count) from None
        self._fed += len(chunk)
        frames, self._frames = bytes(self._frames), bytearray()
        self.count = count
        return chunk if frames == chunk else frames

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the line that had not ended, with an end, or b"" if there is none."""
        self._begin()
        line = b""
        if not self._skipping and (self._line or self._cr):
            line = bytes(self._line) + CR + LF
            self.count = 1
        self._restart()
        self._offset = self._fed
        return line

    def answer(self) -> bytes:
        """Takes what is to be sent back: that each option which was asked for is refused, once while the offer stands.

        What is not taken waits; it is 3 bytes for each option and direction at most.
        """
        due, self._due = sorted(self._due), set()
        return b"".join([IAC + bytes(answer) for answer in due])

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """A message per line of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        return messages_in(frames, peer, most, start, FORM)

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload` as a line; ValueError if it holds an LF or is over the limit."""
        line = octets(payload)
        if len(line) > self._max:
            raise ValueError(f"payload of {len(line)} bytes (limit {self._max})")
        if (at := line.find(LF)) >= 0:
            raise ValueError(f"payload with a line feed at offset {at}")
        return line.replace(IAC, IAC + IAC).replace(CR, CR + NUL) + CR + LF

    def _begin(self) -> None:
        self.count = self.skipped = 0
        self.fault = None
        if self._dead is not None:
            raise FrameError(self._dead.saw, self._dead.offset, self._dead.limit)

    def _restart(self) -> None:
        """Holds nothing."""
        self._frames = bytearray()
        self._line = bytearray()
        self._size = 0
        self._cr = self._skipping = False
        self._step = Step.TEXT

    def _take_run(self, run: bytes) -> None:
        """Takes bytes of which none ends or begins anything."""
        if self._step == Step.INSIDE:
            self._discard(len(run))
            return
        if self._cr:
            self._add_cr()
            run = run.removeprefix(NUL)
        self._add(run, len(run))

    def _take(self, byte: int, offset: int) -> bool:
        """Takes the byte at `offset` of the stream; whether it ended a line that is to be given."""
        step = self._step
        if step == Step.COMMAND:
            self._command(byte, offset)
        elif step == Step.OPTION:
            self._step = Step.TEXT
            self._negotiate(self._verb, byte)
        elif step == Step.INSIDE:
            self._step = Step.INSIDE_COMMAND
        elif step == Step.INSIDE_COMMAND:
            if byte == IAC[0]:
                self._step = Step.INSIDE
                self._discard(2)
            elif byte == SE:
                self._step = Step.TEXT
            else:  # another command: the end was forgotten
                self._command(byte, offset)
        elif byte == IAC[0]:
            self._step = Step.COMMAND
        elif byte == CR[0]:
            if self._cr:
                self._add_cr()
            self._cr = True
        else:
            return self._end_line(offset + 1)
        return False

    def _command(self, byte: int, offset: int) -> None:
        """Takes the byte behind an IAC."""
        self._step = Step.TEXT
        if byte == IAC[0]:
            if self._cr:
                self._add_cr()
            self._add(IAC + IAC, 1)
        elif byte in REFUSAL or byte in WITHDRAWN:
            self._verb = byte
            self._step = Step.OPTION
        elif byte == SB:
            self._began = offset - 1
            self._inside = 0
            self._step = Step.INSIDE

    def _negotiate(self, verb: int, option: int) -> None:
        if verb in WITHDRAWN:
            self._refused.discard((WITHDRAWN[verb], option))
            return
        answer = REFUSAL[verb], option
        if answer not in self._refused:
            self._refused.add(answer)
            self._due.add(answer)

    def _discard(self, size: int) -> None:
        """Throws away so many bytes of a subnegotiation."""
        self._inside += size
        if self._inside > self._max:
            raise FrameError(refusals.SUBNEGOTIATION, self._began, self._max)

    def _add_cr(self) -> None:
        """The CR that came last is part of the line."""
        self._cr = False
        self._add(CR + NUL, 1)

    def _add(self, form: bytes, size: int) -> None:
        """Adds to the line in progress what stands for `size` bytes of its payload."""
        if self._skipping:
            return
        self._size += size
        if self._size <= self._max:
            self._line += form
            return
        error = FrameError(refusals.LINE, self._offset, self._max)
        if not self._skips:
            raise error
        if self.fault is None:
            self.fault = error
        self.skipped += 1
        self._skipping = True
        self._line = bytearray()

    def _end_line(self, end: int) -> bool:
        """The line in progress ends at `end` of the stream; whether it is to be given."""
        given = not self._skipping
        if given:
            self._frames += self._line
            self._frames += CR + LF
        self._line = bytearray()
        self._size = 0
        self._cr = self._skipping = False
        self._offset = end
        return given
