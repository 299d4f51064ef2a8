"""The stamp at the end of a payload: the number of the message in its run."""

from __future__ import annotations

from typing import Final

DIGITS: Final = b"0123456789abcdefghijklmnopqrstuvwxyz"
LENGTH: Final = 6
"""Bytes of a stamp: printable, so that it is legal in lines."""
STAMPS: Final = len(DIGITS) ** LENGTH
"""Messages that can be told apart."""


def stamp(number: int) -> bytes:
    """The stamp of message `number`, 0 to `STAMPS` - 1."""
    digits = bytearray(LENGTH)
    for place in range(LENGTH - 1, -1, -1):
        number, digit = divmod(number, len(DIGITS))
        digits[place] = DIGITS[digit]
    return bytes(digits)


def stamped(payload: bytes) -> int:
    """The number in the stamp of `payload`; -1 if that has none."""
    digits = payload[-LENGTH:]
    if len(digits) < LENGTH or digits.translate(None, DIGITS):  # int() would take signs, spaces and capitals too
        return -1
    return int(digits, len(DIGITS))
