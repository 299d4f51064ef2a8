"""A batch: all that a view collected in a tick.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fastserver.fanout.parts import cut, past
from fastserver.fanout.sending import send_all

if TYPE_CHECKING:
    from asyncio import WriteTransport
    from collections.abc import Sequence

    from fastserver.fanout.member import Member, Receiver, Source
    from fastserver.fanout.parts import Part


class Remainder(Protocol):
    """Deals with what could not be sent of a batch (see flush.py)."""

    def write_parts(self, peer: Receiver, parts: Sequence[Part], /) -> None: ...

    def write_failed(self, peer: Receiver, error: int, /) -> None: ...

    def fail(self, peer: Receiver, error: BaseException, /) -> None: ...


class Batch:
    """The pieces that a view collected in one tick: the frames of all senders, joined in order. It is valid for one
    flush.

    `ready` are the members of its view that keep up. `start` is the position of its first byte in the view; `senders`
    are the members to be left out where their own frames are. A run is what was published without a call for another
    channel in between; the order of its one run is `order`, or there are several `runs`. Some message in it has at
    least `largest` bytes. To keep the batch for members that are behind took `cost` bytes beside its own.
    """

    __slots__ = ("blob", "cost", "largest", "messages", "order", "ready", "senders", "several", "start", "view")

    view: Source
    ready: dict[Member, WriteTransport]
    start: int
    blob: bytes
    messages: int
    largest: int
    cost: int
    senders: list[Member]
    order: int
    several: list[tuple[int, int, int]] | None

    @property
    def runs(self) -> list[tuple[int, int, int]]:
        """Of each run: its order among all of the server, where it begins in `blob`, how many messages lie before."""
        return self.several or [(self.order, 0, 0)]

    def send(self, remainder: Remainder) -> bool:
        """Send it to all who keep up. Gives whether there is a remainder, which was dealt with. Raises before anything
        was sent, if at all.
        """
        rest = send_all(self.ready, self.blob)
        for member, sent in rest:
            try:
                if sent < 0:
                    remainder.write_failed(member.peer, -sent)
                    continue
                parts = past(self.to(member)[0], sent)
                if parts:
                    remainder.write_parts(member.peer, parts)
            except BaseException as error:
                member.descriptor = -1
                remainder.fail(member.peer, error)
        return bool(rest)

    def to(self, member: Member) -> tuple[Sequence[Part], int]:
        """The parts of it for `member`, and how many messages that is."""
        own = member.own
        if not own:
            return (self.blob,), self.messages
        return cut(memoryview(self.blob), 0, own), self.messages - member.own_amount[0]

    def close(self) -> None:
        """Have the senders forget where their frames lay in this batch, which was flushed."""
        for sender in self.senders:
            sender.own_end = 0
            sender.own_more = None
