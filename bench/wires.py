"""How the contestants are spoken to: what a connection says first, what it sends, and what the others hear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


class Lines:
    """A payload and a line feed. Who connects has joined, once the server has taken it on."""

    greeting = b""
    """What a connection says first, to hear everyone and be heard."""
    greeted = b""
    """How what the server answers to it ends."""

    def sent(self, payload: bytes) -> bytes:
        """A message as it is sent."""
        return payload + b"\n"

    def heard(self, payload: bytes) -> bytes:
        """The same message as others hear it."""
        return payload + b"\n"
