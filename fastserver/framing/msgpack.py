"""MessagePack with a length: 4 bytes, big-endian, then one object of exactly that many bytes."""

from __future__ import annotations

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.arguments import octets
from fastserver.framing.form import Form
from fastserver.framing.msgpackcodec import MSGPACK
from fastserver.framing.objects import ObjectSplitter
from fastserver.framing.scan import Overlong, Scan, Toss, check

PREFIX = 4
LONGEST = 2**32 - 1  # bytes, the largest length the prefix can hold


def _bounds(frames: bytes, start: int, end: int) -> tuple[int, int]:
    return start + PREFIX, end


FORM = Form(_bounds, MSGPACK)


class MsgpackSplitter(ObjectSplitter):
    """Cuts a byte stream into length-prefixed msgpack objects of at most `max_message` bytes."""

    __slots__ = ()

    _form = FORM

    def _begin(self, data: bytes | bytearray, start: int) -> Scan | None:
        prefix = data[start : start + PREFIX]
        for known in range(1, len(prefix) + 1):
            missing = 8 * (PREFIX - known)
            low = int.from_bytes(prefix[:known], "big") << missing
            if low > self._max:
                saw = refusals.size(refusals.MESSAGE, low, low | ((1 << missing) - 1))
                raise Overlong(saw, start, self._max)
        if len(prefix) < PREFIX:
            return None
        if low == 0:
            raise FrameError(refusals.EMPTY, start)
        return Scan(start + PREFIX, start + PREFIX + low, True, self._invalid)

    def _pass(self, scan: Scan | None, start: int) -> Toss:
        return Toss(start, PREFIX)

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload`, one packed object, after its length; ValueError if it is not one or over the limit."""
        body = octets(payload)
        check(body, min(self._max, LONGEST), self._invalid)
        return len(body).to_bytes(PREFIX, "big") + body
