"""Payloads that are bytes alone: a value is its payload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastserver.framing.arguments import octets
from fastserver.framing.codec import abridged
from fastserver.log.escape import escape

FILL: Final = b"x"
"""The byte that `sized` fills payloads with."""


class BytesCodec:
    """The codec of lines, and of every other framing whose payloads are bytes."""

    typed = False

    def pack(self, value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
        """The bytes of `value`, which is bytes-like and contiguous."""
        return octets(value)

    def unpack(self, payload: bytes, ext_hook: Callable[[int, bytes], Any] | None = None) -> bytes:
        """`payload` itself."""
        return payload

    def show(self, payload: bytes, most: int | None = None) -> str:
        """`payload` with escapes for what could act on a terminal."""
        return escape(abridged(payload, most, len(payload)))

    def parse(self, text: str) -> bytes:
        """The bytes that `text` was read from."""
        return text.encode("utf-8", "surrogateescape")

    def to_bytes(self, payload: bytes, most: int) -> bytes:
        """`payload` itself."""
        return payload

    def from_bytes(self, data: bytes) -> bytes:
        """`data` itself."""
        return data

    def sized(self, size: int, stamp: bytes = b"") -> bytes:
        """`stamp` behind as many bytes `FILL` as are missing."""
        return stamp.rjust(size, FILL)


BYTES: Final = BytesCodec()
