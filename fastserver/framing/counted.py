"""Lengths in decimal digits, as octet counts and netstrings begin."""

from __future__ import annotations

from typing import ClassVar

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.headed import HeadedSplitter

ZERO = 0x30
NINE = 0x39


class CountedSplitter(HeadedSplitter):
    """Cuts a byte stream into frames that begin with digits without leading zeros, and a byte that ends them."""

    __slots__ = ()

    _end: ClassVar[bytes]
    """The byte that ends the digits."""
    _digits: ClassVar[int]
    """How many digits there can be."""
    _no_end: ClassVar[str]
    """The words for digits that another byte ends."""
    _hints: ClassVar[dict[int, str]] = {}
    """Hints for streams that begin with another byte than a digit."""

    @property
    def _most(self) -> int:
        return int(10**self._digits) - 1

    def _read(self, data: bytes | bytearray, start: int) -> tuple[int, int] | None:
        length = 0
        for known, byte in enumerate(data[start : start + self._digits + 1]):
            if not ZERO <= byte <= NINE:
                if not known:
                    first = not (start or self._start or self._passed)
                    raise FrameError(refusals.NO_LENGTH, start, hint=self._hints.get(byte, "") if first else "")
                if byte != self._end[0]:
                    raise FrameError(self._no_end, start + known)
                return known + 1, length
            if known == self._digits:
                raise FrameError(refusals.digits(self._digits), start + known)
            if (byte == ZERO and not known and self._least) or (known and not length):
                raise FrameError(refusals.LEADING_ZERO, start)
            length = 10 * length + byte - ZERO
            if length > self._max and not self._skips:
                raise FrameError(refusals.size(refusals.MESSAGE, length, self._most + 1), start, self._max)
        return None

    def _head(self, length: int) -> bytes:
        return b"%d%b" % (length, self._end)
