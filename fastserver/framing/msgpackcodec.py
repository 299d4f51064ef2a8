"""Payloads that are one MessagePack object each; for people they are JSON, as `jsontext` writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgpack

from fastserver.framing import maps
from fastserver.framing.bytescodec import FILL
from fastserver.framing.codec import abridged
from fastserver.log.escape import escape

DECODED: Final = 4096
"""Bytes of a payload up to which it is decoded where only its beginning is to be shown."""

_STR_OR_BIN: Final = frozenset([*range(0xA0, 0xC0), 0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB])
"""First bytes of a `str` or `bin` (the specification of MessagePack, section "Formats")."""


class MsgpackCodec:
    """The codec of both MessagePack framings. One that `parses` makes values of bytes that are JSON text."""

    typed = True

    def __init__(self, parses: bool = False) -> None:
        self.parses = parses

    def pack(self, value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
        """`value` as `msgpack.packb` packs it; surrogates stand for the bytes of text that is not UTF-8."""
        try:
            packed: bytes = msgpack.packb(value, default=default)
        except UnicodeEncodeError:  # bytes that are not UTF-8, as `unpack` gives them: the splitter may refuse them
            packed = msgpack.packb(value, default=default, unicode_errors="surrogateescape")
        except OverflowError as error:  # an integer of more than 64 bits
            raise ValueError(f"msgpack has no room for this value: {error}") from None
        except BufferError:
            raise ValueError("a memoryview with gaps: its bytes must be contiguous") from None
        return packed

    def unpack(self, payload: bytes, ext_hook: Callable[[int, bytes], Any] | None = None) -> Any:
        """The value of `payload`; text that is not UTF-8 has its bytes as surrogates.

        Raises ValueError where a map has many keys of nearly the same hash, and what `msgpack.unpackb` raises where
        Python cannot hold the value, such as a map whose key is an array.
        """
        if ext_hook is None:
            return maps.unpack(payload)
        return maps.unpacked(payload, maps.as_dict, ext_hook=ext_hook)

    def show(self, payload: bytes, most: int | None = None) -> str:
        """`payload` as JSON. With `most`, one of more than `DECODED` bytes is not decoded: only its size is told."""
        from fastserver.framing.jsontext import decode, to_json  # few programs need it, and it takes a while to load

        if most is None:
            return to_json(decode(payload))
        if len(payload) > DECODED:
            return f"msgpack, {len(payload)} bytes"
        text = to_json(decode(payload)).encode("utf-8", "surrogatepass")
        return escape(abridged(text, most, len(payload)))

    def parse(self, text: str) -> Any:
        """The value that `text`, one JSON value, stands for; nil if it is empty."""
        from fastserver.framing.jsonvalue import from_json  # as in `show`

        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"not UTF-8 at byte {len(text[: error.start].encode()) + 1}") from None
        return from_json(text or "null")

    def to_bytes(self, payload: bytes, most: int) -> bytes:
        """The bytes of a `str` or `bin`; compact JSON for anything else, which has no control characters."""
        if payload[0] in _STR_OR_BIN:
            return msgpack.unpackb(payload, raw=True)  # type: ignore[no-any-return]
        from fastserver.framing.transcoder import json_of  # as in `show`

        return json_of(payload, most)

    def from_bytes(self, data: bytes) -> bytes:
        """`data` as one `str` if it is UTF-8, else as one `bin`; where the codec parses, as the value that `data` is
        if it is one JSON value that MessagePack can hold."""
        if self.parses:
            from fastserver.framing.transcoder import object_of  # as in `show`

            try:
                return object_of(data)
            except ValueError:
                pass
        try:
            return msgpack.packb(data.decode())  # type: ignore[no-any-return]
        except UnicodeDecodeError:
            return msgpack.packb(data)  # type: ignore[no-any-return]

    def sized(self, size: int, stamp: bytes = b"") -> bytes:
        """A `bin` object that takes `size` bytes in all and ends with `stamp`."""
        for code, width in ((0xC4, 1), (0xC5, 2), (0xC6, 4)):
            length = size - 1 - width
            if length < 1 << 8 * width:
                return bytes([code]) + length.to_bytes(width, "big") + stamp.rjust(length, FILL)
        raise ValueError(f"a payload of {size} bytes is too long")


MSGPACK: Final = MsgpackCodec()
MSGPACK_OF_JSON: Final = MsgpackCodec(parses=True)
