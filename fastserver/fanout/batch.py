"""A batch: all that a view collected in a tick.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastserver.fanout.parts import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastserver.fanout.member import Member, Source
    from fastserver.fanout.parts import Part


class Batch:
    """The pieces that a view collected in one tick: the frames of all senders, joined in order. It is valid for one
    flush.

    `start` is the position of its first byte in the view; `senders` are the members to be left out where their own
    frames are. A run is what was published without a call for another channel in between; the order of its one run is
    `order`, or there are several `runs`. Some message in it has at least `largest` bytes. To keep the batch for members
    that are behind took `cost` bytes beside its own.
    """

    __slots__ = ("blob", "cost", "largest", "messages", "order", "senders", "several", "start", "view")

    view: Source
    start: int
    blob: bytes
    messages: int
    largest: int
    cost: int
    senders: list[Member]
    order: int
    several: list[tuple[int, int, int]]

    @property
    def runs(self) -> list[tuple[int, int, int]]:
        """Of each run: its order among all of the server, where it begins in `blob`, how many messages lie before."""
        return self.several or [(self.order, 0, 0)]

    def to(self, member: Member) -> tuple[Sequence[Part], int]:
        """The parts of it for `member`, and how many messages that is."""
        own = member.own
        if not own:
            return (self.blob,), self.messages
        return cut(memoryview(self.blob), 0, own), self.messages - sum([count for _, _, count in own])

    def close(self) -> None:
        """Have the senders forget where their frames lay in this batch, which was flushed."""
        for sender in self.senders:
            sender.own_end = 0
            sender.own_more = None
