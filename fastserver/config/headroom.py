"""The part of `max_memory` that stays free: known to the check of the setting, and to the part that keeps it."""

from __future__ import annotations

from typing import Final

PART: Final = 64
"""The part of the limit that is kept free, so that usage is added up at most once in so many bytes."""

OVERHEAD: Final = 1024
"""Bytes that are allowed for a held message besides its payload."""


def headroom(limit: int) -> int:
    """Bytes that are kept free under a limit of `limit` bytes."""
    return limit // PART


def least_memory(max_message: int) -> int:
    """The lowest limit, bytes, under which one message of `max_message` bytes alone is not too much."""
    return -((max_message + OVERHEAD) * PART // -(PART - 1))
