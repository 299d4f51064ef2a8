"""Netstrings (https://cr.yp.to/proto/netstrings.txt): the payload's bytes in digits, a colon, the payload, a comma."""

from __future__ import annotations

from fastserver.framing import refusals
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.counted import CountedSplitter
from fastserver.framing.form import Form

COLON = b":"


def _bounds(frames: bytes, start: int, end: int) -> tuple[int, int]:
    return frames.index(COLON, start) + 1, end - 1


FORM = Form(_bounds, BYTES)


class NetstringSplitter(CountedSplitter):
    """Cuts a byte stream into netstrings of at most `max_message` bytes."""

    __slots__ = ()

    _form = FORM
    _tail = b","
    _end = COLON
    _digits = 19  # as many as 64 bits can hold, and more than any limit has
    _no_end = refusals.NO_COLON
