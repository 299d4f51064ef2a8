"""The words of a `FrameError`, written once for the Python splitters and the compiled ones."""

from __future__ import annotations

LINE = "line longer than the limit"
ENDED = "stream ended inside a message"
NEVER = "byte 0xc1"
NESTED = "container inside too many others"
NOT_UTF8 = "text that is not UTF-8"
NANOSECONDS = "timestamp of too many nanoseconds"
SHORT = "object shorter than its message"
EMPTY = "message of 0 bytes"

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
