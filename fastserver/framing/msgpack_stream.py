"""MessagePack objects back to back, nothing between them, as streaming unpackers take them."""

from __future__ import annotations

from fastserver.framing.arguments import octets
from fastserver.framing.form import Form
from fastserver.framing.msgpackcodec import MSGPACK
from fastserver.framing.objects import ObjectSplitter
from fastserver.framing.scan import Scan, check


def _bounds(frames: bytes, start: int, end: int) -> tuple[int, int]:
    return start, end


FORM = Form(_bounds, MSGPACK)


class MsgpackStreamSplitter(ObjectSplitter):
    """Cuts a byte stream into msgpack objects of at most `max_message` bytes."""

    __slots__ = ()

    _form = FORM

    def _begin(self, data: bytes | bytearray, start: int) -> Scan | None:
        return Scan(start, start + self._max, False, self._invalid)

    def _pass(self, scan: Scan | None, start: int) -> Scan:
        assert scan is not None
        scan.pass_limit()
        return scan

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload`, one packed object, as it is; ValueError if it is not one, or over the limit."""
        body = octets(payload)
        check(body, self._max, self._invalid)
        return body
