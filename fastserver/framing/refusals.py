"""The words of a `FrameError`, written once for the Python splitters and the compiled ones."""

from __future__ import annotations

LINE = "line longer than the limit"
OVERSIZE = "message longer than the limit"
OUTSIDE = "bytes outside of messages"
SUBNEGOTIATION = "subnegotiation longer than the limit"
ENDED = "stream ended inside a message"
NEVER = "byte 0xc1"
NESTED = "container inside too many others"
NOT_UTF8 = "text that is not UTF-8"
NANOSECONDS = "timestamp of too many nanoseconds"
SHORT = "object shorter than its message"
EMPTY = "message of 0 bytes"
NO_LENGTH = "no length"
LEADING_ZERO = "length that begins with 0"
NO_SPACE = "length that no space follows"
NO_COLON = "length that no colon follows"
NO_COMMA = "message that no comma follows"
WIDE = "length of more than 32 bits"

SYSLOG = "--mode syslog takes messages without a length, too"
"""A hint."""

NAMES = ("number", "str", "bin", "ext", "array", "map", "message")
UNITS = ("bytes", "bytes", "bytes", "bytes", "elements", "pairs", "bytes")
MESSAGE = 6


def size(kind: int, low: int, high: int) -> str:
    """Names an element that promises `low` to `high` units, as far as the bytes seen so far tell."""
    if low == high:
        return f"{NAMES[kind]} of {low} {UNITS[kind]}"
    if low:
        return f"{NAMES[kind]} of at least {low} {UNITS[kind]}"
    return NAMES[kind]


def past(kind: int, low: int, high: int, exact: bool) -> str:
    """Names an element that cannot end where its message ends (`exact`) or before the limit."""
    return f"{size(kind, low, high)} past the {'end of its message' if exact else 'limit'}"


def timestamp(length: int) -> str:
    """Names a timestamp of a length (bytes) that no timestamp has."""
    return f"timestamp of {length} bytes"


def digits(most: int) -> str:
    """Names a length in more digits than it can have."""
    return f"length of more than {most} digits"


def own(length: int, size: int) -> str:
    """Names a length that is less than its own `size`, which it counts."""
    return f"length of {length} that counts its own {size} bytes"
