"""The wire form of a client's messages: values to frames, and a splitter for the frames that come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastserver.config import parameters
from fastserver.framing import Splitter


class WireForm:
    """A framing by its word, `mode`, for payloads of at most `max_message` bytes: a number, or text such as "64KiB".

    `default` turns values that the framing cannot pack into ones it can; `invalid_text` decides about a msgpack message
    with a str that is not UTF-8 (see `fastserver.framing.framing.MakeSplitter`). Raises `ConfigError`.
    """

    def __init__(
        self, mode: str, max_message: int | str, default: Callable[[Any], Any] | None, invalid_text: str
    ) -> None:
        self.framing = parameters.framing(mode)
        self.max_message = parameters.size("max_message", max_message)
        """Bytes."""
        self._default = parameters.default([self.framing], default)
        self._invalid_text = parameters.invalid_text(invalid_text)
        self._framer = self.splitter()

    def splitter(self) -> Splitter:
        """A new splitter, for what the server sends on one connection."""
        return self.framing.written(self.max_message, self._invalid_text)

    def frame(self, value: Any) -> bytes:
        """The frame of `value`. Raises TypeError or ValueError if that cannot be a message."""
        return self._framer.frame(self.framing.pack(value, self._default))

    def frame_packed(self, payload: bytes | bytearray | memoryview) -> bytes:
        """The frame of `payload`. Raises as `frame` does."""
        return self._framer.frame(payload)
