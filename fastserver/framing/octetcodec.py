"""Payloads of octet-counted messages: bytes, one at least."""

from __future__ import annotations

from typing import Final

from fastserver.framing.bytescodec import BytesCodec

SMALLEST: Final = b" "
"""The payload that stands for text that is empty."""


class OctetCodec(BytesCodec):
    """The codec of octet counting."""

    def parse(self, text: str) -> bytes:
        """The bytes that `text` was read from; a space if there are none."""
        return super().parse(text) or SMALLEST


OCTET: Final = OctetCodec()
