"""The scan of a MessagePack object: checks bytes as they arrive, and builds nothing.

The format is that of https://github.com/msgpack/msgpack/blob/master/spec.md, timestamps included.
"""

from __future__ import annotations

import codecs

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.arguments import CLOSE, PASS, SKIP

DEEPEST = 128  # containers within each other; a decoder may recurse, and its stack is finite
NANOSECONDS = 999_999_999

BOUNDLESS = 1 << 62
"""More bytes than an object ever promises."""

FIXED, STR, BIN, EXT, ARRAY, MAP, NEVER = range(7)
TIMESTAMP = 0xFF  # ext type -1


def _head(byte: int) -> tuple[int, int, int]:
    """The element that begins with `byte`: its kind, the bytes of its length field, its length where there is none."""
    if byte < 0x80 or byte >= 0xE0:
        return FIXED, 0, 0
    if byte < 0x90:
        return MAP, 0, byte & 15
    if byte < 0xA0:
        return ARRAY, 0, byte & 15
    if byte < 0xC0:
        return STR, 0, byte & 31
    return {
        0xC1: (NEVER, 0, 0),
        0xC4: (BIN, 1, 0),
        0xC5: (BIN, 2, 0),
        0xC6: (BIN, 4, 0),
        0xC7: (EXT, 1, 0),
        0xC8: (EXT, 2, 0),
        0xC9: (EXT, 4, 0),
        0xCA: (FIXED, 0, 4),
        0xCB: (FIXED, 0, 8),
        0xCC: (FIXED, 0, 1),
        0xCD: (FIXED, 0, 2),
        0xCE: (FIXED, 0, 4),
        0xCF: (FIXED, 0, 8),
        0xD0: (FIXED, 0, 1),
        0xD1: (FIXED, 0, 2),
        0xD2: (FIXED, 0, 4),
        0xD3: (FIXED, 0, 8),
        0xD4: (EXT, 0, 1),
        0xD5: (EXT, 0, 2),
        0xD6: (EXT, 0, 4),
        0xD7: (EXT, 0, 8),
        0xD8: (EXT, 0, 16),
        0xD9: (STR, 1, 0),
        0xDA: (STR, 2, 0),
        0xDB: (STR, 4, 0),
        0xDC: (ARRAY, 2, 0),
        0xDD: (ARRAY, 4, 0),
        0xDE: (MAP, 2, 0),
        0xDF: (MAP, 4, 0),
    }.get(byte, (FIXED, 0, 0))


HEADS = [_head(byte) for byte in range(256)]


class Overlong(FrameError):
    """A message is over the limit."""


class Scan:
    """The scan of the object that begins at `data[start]`.

    The object must end exactly at `end` if `exact`, else at `end` at the latest. Positions are indexes into the
    argument of `run`. `at`: the next byte to look at. `slack`: bytes left over if every element still promised took
    one byte, the least it can; an element that needs more than that cannot fit. `fault`, under SKIP: the first text or
    timestamp that is malformed (what, where, the limit); any other fault is refused.
    """

    __slots__ = ("_body", "_end", "_exact", "_invalid", "_left", "_limit", "_slack", "_stack", "_text", "at", "fault")

    def __init__(self, start: int, end: int, exact: bool, invalid: int) -> None:
        self.at = start
        self.fault: tuple[str, int, int | None] | None = None
        self._invalid = invalid
        self._end = end
        self._exact = exact
        self._limit = None if exact else end - start
        self._slack = end - start - 1
        self._left = 1  # elements the innermost container still promises
        self._stack: list[int] = []  # the same of those around it
        self._body = 0  # bytes to come of the str, bin, ext or number begun
        self._text = False  # True if those are a str's

    def shift(self, by: int) -> None:
        """Prepares for a `run` with the same bytes at indexes `by` lower."""
        self.at -= by
        self._end -= by
        if self.fault is not None:
            saw, at, limit = self.fault
            self.fault = saw, at - by, limit

    def pass_limit(self) -> None:
        """Go on, after the limit was passed, to the end of the object, whatever its text."""
        self._end += BOUNDLESS
        self._slack += BOUNDLESS
        self._invalid = SKIP
        self.fault = "", 0, None
        self._text = False

    def run(self, data: bytes | bytearray) -> bool:
        """True once the object is complete in `data`, which begins with the bytes that the last run was given.

        Raises FrameError, its offset an index into `data`, if no bytes to come can make it one.
        """
        while True:
            if self._body and not self._pass_body(data):
                return False
            while not self._left:
                if not self._stack:
                    return True
                self._left = self._stack.pop()
            if self.at == len(data) or not self._pass_head(data):
                return False

    def ends(self, data: bytes) -> int | None:
        """End of the object, known to be well-formed, in `data`; None if not all of it is there."""
        if self._exact:
            return self._end if self._end <= len(data) else None
        return self.at if self.run(data) else None

    def _pass_head(self, data: bytes | bytearray) -> bool:
        """Takes one element's header; False if part of the header is missing."""
        kind, width, low = HEADS[data[self.at]]
        if kind == NEVER:
            raise FrameError(refusals.NEVER, self.at)
        container = kind in (ARRAY, MAP)
        if container and len(self._stack) == DEEPEST:
            raise FrameError(refusals.NESTED, self.at, DEEPEST)
        head = width + (kind == EXT)  # bytes of the header after the first
        unit = 2 if kind == MAP else 1
        final = self._exact and self._end - self.at - self._slack == 1
        field = data[self.at + 1 : self.at + 1 + width]
        # Byte by byte, so that what is refused, and why, depends on the stream and not on its cuts.
        for known in range(len(field) + 1):
            missing = 8 * (width - known)
            if width:
                low = int.from_bytes(field[:known], "big") << missing
            high = low | ((1 << missing) - 1)
            if head + low * unit > self._slack:
                kind_of_error = FrameError if self._exact else Overlong
                raise kind_of_error(refusals.past(kind, low, high, self._exact), self.at, self._limit)
            # A container that is not empty fills any space its first element (or pair) fits into.
            fills = low or (high and head + unit <= self._slack) if container else head + high >= self._slack
            if final and head < self._slack and not fills:
                raise FrameError(refusals.SHORT, self.at)
        if len(field) < width:
            return False
        if kind == EXT:
            try:
                if not self._check_ext(data, self.at + 1 + width, low):
                    return False
            except FrameError as error:
                self._spoil(error)
        self._slack -= head + low * unit
        self.at += 1 + head
        self._left -= 1
        if not container:
            self._body = low
            self._text = kind == STR and self._invalid != PASS and self.fault is None
        elif low:
            self._stack.append(self._left)
            self._left = low * unit
        return True

    def _check_ext(self, data: bytes | bytearray, code: int, length: int) -> bool:
        """Checks the type at `data[code]`, and a timestamp's nanoseconds; False if part of them is missing."""
        if code >= len(data):
            return False
        if data[code] != TIMESTAMP or length == 4:
            return True
        if length not in (8, 12):
            raise FrameError(refusals.timestamp(length), self.at)
        field = data[code + 1 : code + 5]
        least = int.from_bytes(field, "big") << 8 * (4 - len(field))
        # In 8 bytes the nanoseconds are the upper 30 bits, in 12 the first 32.
        if (least >> 2 if length == 8 else least) > NANOSECONDS:
            raise FrameError(refusals.NANOSECONDS, self.at, NANOSECONDS)
        return len(field) == 4

    def _pass_body(self, data: bytes | bytearray) -> bool:
        """Takes the bytes that are there of a str, bin, ext or number; False if some are missing."""
        took = min(self._body, len(data) - self.at)
        if self._text:
            try:
                took = self._check_text(data[self.at : self.at + took])
            except FrameError as error:
                self._spoil(error)
                self._text = False
        self.at += took
        self._body -= took
        return not self._body

    def _spoil(self, error: FrameError) -> None:
        """Notes an element that is wrong but of known length, so that the object can be skipped, or raises `error`."""
        if self._invalid != SKIP:
            raise error
        if self.fault is None:
            self.fault = error.saw, error.offset, error.limit

    def _check_text(self, text: bytes | bytearray) -> int:
        """Number of bytes of `text`, the next of a str, that are whole characters."""
        try:
            took = codecs.utf_8_decode(text, "strict", False)[1]
        except UnicodeDecodeError as error:
            raise FrameError(refusals.NOT_UTF8, self.at + error.start) from None
        if took < len(text):
            lead = text[took]
            need = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            # The codec waits for a surrogate's third byte; its second says enough.
            surrogate = lead == 0xED and text[took + 1 : took + 2] > b"\x9f"
            if surrogate or took + need > self._body:
                raise FrameError(refusals.NOT_UTF8, self.at + took)
        return took


class Toss:
    """The end of a frame that is not looked into: a length of `width` bytes, big-endian, at `start`, and as many bytes.

    Positions are indexes into the argument of `run`. `at`: the next byte.
    """

    __slots__ = ("_left", "_width", "at", "fault")

    def __init__(self, start: int, width: int) -> None:
        self.at = start
        self.fault: tuple[str, int, int | None] | None = None
        self._width = width
        self._left: int | None = None

    def shift(self, by: int) -> None:
        """Prepares for a `run` with the same bytes at indexes `by` lower."""
        self.at -= by

    def run(self, data: bytes | bytearray) -> bool:
        """True once all of it is in `data`."""
        if self._left is None:
            if len(data) - self.at < self._width:
                return False
            self._left = int.from_bytes(data[self.at : self.at + self._width], "big")
            self.at += self._width
        took = min(self._left, len(data) - self.at)
        self._left -= took
        self.at += took
        return not self._left


def check(payload: bytes, max_message: int, invalid: int = CLOSE) -> None:
    """Raises ValueError if `payload` is not exactly one well-formed object of at most `max_message` bytes, whose text
    may be anything under PASS.
    """
    try:
        if not payload:
            raise FrameError(refusals.EMPTY, 0)
        if len(payload) > max_message:
            raise FrameError(refusals.size(refusals.MESSAGE, len(payload), len(payload)), 0, max_message)
        Scan(0, len(payload), True, PASS if invalid == PASS else CLOSE).run(payload)
    except FrameError as error:
        raise ValueError(f"payload: {error}") from None
