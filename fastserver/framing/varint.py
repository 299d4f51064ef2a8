"""Lengths as varints (https://protobuf.dev/programming-guides/encoding/#varints): the delimited streams of protobuf."""

from __future__ import annotations

from typing import Final

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.form import Form
from fastserver.framing.headed import HeadedSplitter

MORE: Final = 0x80
"""The bit of a byte that says that another follows; the others are 7 bits of the length, the lowest first."""
BYTES_OF_LENGTH: Final = 5
LAST: Final = 0x0F
"""The largest fifth byte: a length has 32 bits."""


def _bounds(frames: bytes, start: int, end: int) -> tuple[int, int]:
    at = start
    while frames[at] & MORE:
        at += 1
    return at + 1, end


FORM = Form(_bounds, BYTES)


class VarintSplitter(HeadedSplitter):
    """Cuts a byte stream into payloads of at most `max_message` bytes, each behind its length as a varint.

    A length may have more bytes than it needs, as protobuf takes it.
    """

    __slots__ = ()

    _form = FORM
    _most = (1 << 32) - 1

    def _read(self, data: bytes | bytearray, start: int) -> tuple[int, int] | None:
        length = 0
        for known, byte in enumerate(data[start : start + BYTES_OF_LENGTH]):
            if known == BYTES_OF_LENGTH - 1 and byte > LAST:
                raise FrameError(refusals.WIDE, start + known)
            length |= (byte & ~MORE) << 7 * known
            more = byte & MORE
            if length > self._max and not self._skips:
                raise FrameError(refusals.size(refusals.MESSAGE, length, length + more), start, self._max)
            if not more:
                return known + 1, length
        return None

    def _head(self, length: int) -> bytes:
        head = bytearray()
        while length >= MORE:
            head.append(length & ~MORE & 0xFF | MORE)
            length >>= 7
        head.append(length)
        return bytes(head)
