"""A splitter that finds nothing: what a peer sends that is not heard is read and thrown away (as in RFC 863)."""

from __future__ import annotations

from typing import NoReturn


class Discard:
    """Takes any bytes and gives back no frame. It keeps nothing, so that all streams can share one."""

    count = 0
    held = 0
    skipped = 0
    fault = None

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        return b""

    def finish(self) -> bytes:
        return b""

    def messages(self, frames: bytes, peer: object, most: int = -1, start: int = 0) -> NoReturn:
        raise ValueError("nothing that is thrown away is a message")

    def frame(self, payload: bytes | bytearray | memoryview, /) -> NoReturn:
        raise ValueError("nothing that is thrown away is a frame")


DISCARD = Discard()
