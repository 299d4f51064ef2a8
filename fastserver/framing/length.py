"""Lengths of 1 to 4 bytes before each payload, big- or little-endian, which may count themselves."""

from __future__ import annotations

from typing import Final, Literal

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.form import Form
from fastserver.framing.headed import CLOSE, HeadedSplitter

WIDEST: Final = 4
"""Bytes of the widest length."""


def _form_of(width: int) -> Form:
    return Form(lambda frames, start, end: (start + width, end), BYTES)


FORMS: Final = [_form_of(width) for width in range(WIDEST + 1)]
"""The forms of the frames, by the bytes that their lengths have."""


class LengthSplitter(HeadedSplitter):
    """Cuts a byte stream into payloads of at most `max_message` bytes, each behind its length.

    `width` is the bytes of a length, `order` the end of it that comes first, `big` or `little`; with `includes` it
    counts itself too.
    """

    __slots__ = ("_order", "_own", "_width")

    def __init__(
        self,
        max_message: int,
        invalid_text: str = CLOSE,
        oversize: str = CLOSE,
        *,
        width: int = WIDEST,
        order: str = "big",
        includes: bool = False,
    ) -> None:
        super().__init__(max_message, invalid_text, oversize)
        self._width = width
        self._order: Literal["big", "little"] = "little" if order == "little" else "big"
        self._own = width if includes else 0  # bytes that a length counts besides the payload

    @property
    def _form(self) -> Form:
        return FORMS[self._width]

    @property
    def _most(self) -> int:
        return (1 << 8 * self._width) - 1 - self._own

    def _read(self, data: bytes | bytearray, start: int) -> tuple[int, int] | None:
        field = data[start : start + self._width]
        low = 0
        for known in range(1, len(field) + 1):
            missing = 8 * (self._width - known)
            low = int.from_bytes(field[:known], self._order)
            open_bits = (1 << missing) - 1
            if self._order == "big":
                low <<= missing
            else:
                open_bits <<= 8 * known
            if low - self._own > self._max and not self._skips:
                saw = refusals.size(refusals.MESSAGE, low - self._own, low + open_bits - self._own)
                raise FrameError(saw, start, self._max)
        if len(field) < self._width:
            return None
        if low < self._own:
            raise FrameError(refusals.own(low, self._own), start)
        return self._width, low - self._own

    def _head(self, length: int) -> bytes:
        return (length + self._own).to_bytes(self._width, self._order)
