"""Packs the values that a program sends, for peers of any framing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastserver.framing.framing import Framing, Splitter


class Packer:
    """Puts values and payloads into wire form: that of `framing` where nothing else is said.

    `limit` is how many bytes a payload may have; `default` turns values that cannot be packed into others;
    `invalid_text` decides about text that is not UTF-8 as for what peers send (see `MakeSplitter`).
    """

    def __init__(
        self,
        framing: Framing,
        limit: int,
        default: Callable[[Any], Any] | None = None,
        invalid_text: str = "close",
    ) -> None:
        self.framing = framing
        """The framing where nothing else is said."""
        self._limit = limit
        self._default = default
        self._invalid_text = invalid_text
        self._framers: dict[Framing, Splitter] = {}

    def frame(self, value: Any, framing: Framing | None = None) -> bytes:
        """The frame of `value`: bytes-like where payloads are bytes, any packable value in the msgpack framings.

        Raises `TypeError` or `ValueError` for what cannot be a message.
        """
        return self.frame_packed((framing or self.framing).pack(value, self._default), framing)

    def frame_packed(self, payload: bytes, framing: Framing | None = None) -> bytes:
        """The frame of `payload`. Raises as `frame` does."""
        framing = framing or self.framing
        framer = self._framers.get(framing)
        if framer is None:
            framer = self._framers[framing] = framing.written(self._limit, self._invalid_text)
        return framer.frame(payload)
