"""A stretch: messages that are relayed one by one, and published together.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastserver.fanout.member import Member
    from fastserver.fanout.view import View


class Stretch:
    """Messages of one sender that were relayed one after another and lie so in what it sent: they become one piece."""

    __slots__ = ("end", "frames", "messages", "number", "sender", "start", "view")

    def __init__(self, view: View, sender: Member | None, frames: bytes, start: int, end: int, number: int) -> None:
        self.view = view
        self.sender = sender
        self.frames = frames
        self.start = start
        self.end = end
        self.messages = 1
        self.number = number

    def extend(self, view: View, sender: Member | None, frames: bytes, start: int, end: int) -> bool:
        """Add the message `frames[start:end]`, if it follows; gives whether it does."""
        if self.frames is frames and self.end == start and self.sender is sender and self.view is view:
            self.end = end
            self.messages += 1
            return True
        return False
