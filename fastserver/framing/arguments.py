"""The arguments of splitters, checked."""

from __future__ import annotations

import sys
from typing import Final, Literal, get_args

InvalidText = Literal["close", "skip", "pass"]
"""Decides about a message with text that is not UTF-8: refuse it, leave it out, give it as it is."""

INVALID_TEXT: Final = get_args(InvalidText)
CLOSE, SKIP, PASS = range(len(INVALID_TEXT))

Oversize = Literal["close", "skip"]
"""Decides about a message over the limit: refuse it, or leave it out."""

OVERSIZE: Final = get_args(Oversize)

UNLIMITED: Final = sys.maxsize
"""The largest limit, in bytes: no payload reaches it."""


def limit(max_message: int) -> int:
    """`max_message` (bytes); ValueError if it is under 1 or beyond what memory can hold."""
    if not 1 <= max_message <= UNLIMITED:
        raise ValueError(f"max_message must be 1 to {UNLIMITED} bytes, not {max_message}")
    return max_message


def invalid(text: str) -> int:
    """The place of `text` in `INVALID_TEXT`; ValueError if it has none."""
    if text not in INVALID_TEXT:
        raise ValueError(f"invalid_text must be close, skip or pass, not {text!r}")
    return INVALID_TEXT.index(text)


def skips(oversize: str) -> bool:
    """Whether messages over the limit are left out; ValueError if `oversize` is none of `OVERSIZE`."""
    if oversize not in OVERSIZE:
        raise ValueError(f"oversize must be close or skip, not {oversize!r}")
    return oversize == "skip"


def octets(data: bytes | bytearray | memoryview) -> bytes:
    """The bytes of a payload, itself if it is `bytes`. TypeError if it has none, ValueError if it has gaps."""
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a payload is bytes-like, not {type(data).__name__}") from None
    if not view.c_contiguous:
        raise ValueError("a memoryview with gaps: its bytes must be contiguous")
    return view.tobytes()


def stretch(data: bytes | bytearray | memoryview) -> bytes:
    """The bytes of a part of a stream, itself if it is `bytes`. TypeError if it has none, BufferError for gaps."""
    if type(data) is bytes:
        return data
    view = memoryview(data)
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view.tobytes()
