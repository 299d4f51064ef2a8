"""The splitter of peers that only receive: all they send is read and thrown away, as RFC 863 (discard) does it."""

from __future__ import annotations

from typing import NoReturn


class Discard:
    """Takes any bytes and gives back no frame. All streams share one, since nothing is kept."""

    count = 0
    held = 0
    skipped = 0
    fault = None

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        return b""

    def finish(self) -> bytes:
        return b""

    def answer(self) -> bytes:
        return b""

    def messages(self, frames: bytes, peer: object, most: int = -1, start: int = 0) -> NoReturn:
        raise ValueError("bytes that are thrown away hold no message")

    def frame(self, payload: bytes | bytearray | memoryview, /) -> NoReturn:
        raise ValueError("bytes that are thrown away are no frame")


DISCARD = Discard()
