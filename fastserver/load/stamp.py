"""The stamp at the end of a payload that says which message of the run it is."""

from __future__ import annotations

from typing import Final

DIGITS: Final = b"0123456789abcdefghijklmnopqrstuvwxyz"
LENGTH: Final = 6
"""Bytes of a stamp: printable, so that it is legal in lines."""
MOST: Final = len(DIGITS) ** LENGTH
"""How many messages can be told apart."""


def stamp(number: int) -> bytes:
    """The stamp of message `number`, 0 to `MOST` - 1."""
    digits = bytearray(LENGTH)
    for place in range(LENGTH - 1, -1, -1):
        number, digit = divmod(number, len(DIGITS))
        digits[place] = DIGITS[digit]
    return bytes(digits)


def stamped(payload: bytes) -> int:
    """The number in its stamp; -1 if there is none."""
    digits = payload[-LENGTH:]
    if len(digits) < LENGTH or digits.translate(None, DIGITS):  # int() would take signs, spaces and capitals too
        return -1
    return int(digits, len(DIGITS))
