"""The form of frames: what a message needs to find its payload in its frame, and the value in its payload."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fastserver.framing.codec import Codec

Bounds = Callable[[bytes, int, int], tuple[int, int]]
"""Gives where the payload of the complete frame `frames[start:end]` begins and ends in `frames`."""


class Form(NamedTuple):
    """The form of the frames of one framing. Each frame is asked for its own bounds: heads and tails may vary."""

    bounds: Bounds
    codec: Codec
    plain: Callable[[bytes], bytes] | None = None
    """Gives the payload that lies between the bounds, where that is not the payload itself but stands for it."""

    def payload(self, frames: bytes, start: int, end: int) -> bytes:
        """The payload of the complete frame `frames[start:end]`."""
        start, end = self.bounds(frames, start, end)
        body = frames[start:end]
        return body if self.plain is None else self.plain(body)
