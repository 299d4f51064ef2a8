"""The contract of codecs: how the payloads of a framing become values, and text for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Codec(Protocol):
    """Turns values into payloads and back. It has no state, so that all framings with such payloads share one."""

    @property
    def typed(self) -> bool:
        """True if a payload holds a value with a type, such as a number or a map; False if it holds bytes alone."""

    def pack(self, value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
        """The payload that stands for `value`.

        `default` turns a value that a typed payload cannot hold into one it can, as in `msgpack.packb`. Raises
        TypeError or ValueError for what cannot be a payload.
        """

    def unpack(self, payload: bytes, ext_hook: Callable[[int, bytes], Any] | None = None) -> Any:
        """The value that `payload`, well-formed, stands for.

        `ext_hook` makes the values of extension types, as in `msgpack.unpackb`. Raises ValueError or TypeError where
        Python cannot hold the value.
        """

    def show(self, payload: bytes, most: int | None = None) -> str:
        """`payload`, well-formed, as one line of text that cannot act on a terminal. Never raises.

        With `most`, text of more bytes than that is cut between characters, and the payload's size follows.
        """

    def parse(self, text: str) -> Any:
        """The value that a person means by `text`, which has `surrogateescape` for what is not UTF-8.

        Text that is empty stands for the smallest message. Raises ValueError, which says in one line what is wrong.
        """

    def to_bytes(self, payload: bytes, most: int) -> bytes:
        """The bytes that stand for `payload`, well-formed, where payloads are bytes alone.

        ValueError if they are made of a value and are more than `most`.
        """

    def from_bytes(self, data: bytes) -> bytes:
        """The payload that stands for `data`, which were a payload where those are bytes alone."""

    def sized(self, size: int, stamp: bytes = b"") -> bytes:
        """A well-formed payload of exactly `size` bytes that ends with `stamp`. ValueError if there is none."""


def abridged(text: bytes, most: int | None, size: int) -> bytes:
    """`text`, UTF-8; if it is longer than `most` bytes, as many whole characters as fit, and `size`, in bytes."""
    if most is None or len(text) <= most:
        return text
    end = most
    while end > max(0, most - 4) and text[end] & 0xC0 == 0x80:  # inside a character, which has at most 4 bytes
        end -= 1
    return text[:end] + f"… ({size} bytes)".encode()
