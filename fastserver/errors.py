"""Errors and close reasons.

    FastserverError
    ├── ConfigError    a setting has a value it cannot have (also a ValueError)
    ├── ListenError    an address cannot be listened on
    └── FrameError     bytes that cannot be a frame of this framing (also a ValueError)

How a connection ended is a `CloseReason`, not an exception.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class FastserverError(Exception):
    """Base of every error this package raises on its own account."""


class ConfigError(FastserverError, ValueError):
    """A setting has a value it cannot have; the text names setting, value and what is allowed."""


class ListenError(FastserverError):
    """An address cannot be listened on; the text names it and says why."""


class FrameError(FastserverError, ValueError):
    """Bytes that cannot be a frame.

    `saw` says what was found, `offset` where (bytes since the stream began, counted from 0), `limit`
    the limit it broke (bytes, containers, …) or None where there is none. `frames` and `count` are what
    `feed` had completed before it: complete frames, in wire form, and how many. `hint` says what would
    take such bytes, if that can be told.
    """

    def __init__(
        self,
        saw: str,
        offset: int,
        limit: int | None = None,
        frames: bytes = b"",
        count: int = 0,
        hint: str = "",
    ) -> None:
        super().__init__(saw, offset, limit, frames, count)
        self.saw = saw
        self.offset = offset
        self.limit = limit
        self.frames = frames
        self.count = count
        self.hint = hint

    def __str__(self) -> str:
        limit = "" if self.limit is None else f" (limit {self.limit})"
        hint = f": {self.hint}" if self.hint else ""
        return f"{self.saw} at offset {self.offset}{limit}{hint}"


class CloseReason(str, Enum):
    """Why a connection ended."""

    EOF = "eof"
    RESET = "reset"
    FRAME_ERROR = "frame_error"
    HTTP = "http"
    SLOW_CONSUMER = "slow_consumer"
    MEMORY = "memory"
    DESCRIPTORS = "descriptors"
    MESSAGE_TIMEOUT = "message_timeout"
    IDLE = "idle"
    KICKED = "kicked"
    HANDLER_ERROR = "handler_error"
    SHUTDOWN = "shutdown"
    INTERNAL_ERROR = "internal_error"
    # Of connections that were refused:
    DENIED = "denied"
    MAX_PEERS = "max_peers"
    MAX_PEERS_PER_ADDRESS = "max_peers_per_address"
    MAX_CONNECTS_PER_SECOND = "max_connects_per_second"

    def __str__(self) -> str:
        return self.value


UNHEARD: Final = (CloseReason.KICKED, CloseReason.HANDLER_ERROR, CloseReason.MEMORY)
"""Close reasons after which no more of what a peer sent before is handled."""
