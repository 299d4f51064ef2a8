"""How much one read brings."""

from __future__ import annotations

from typing import Final

READ_SIZE: Final = 256_000
"""Bytes of uvloop's read buffer. A read that fills it is one of up to 32 in the same poll."""
