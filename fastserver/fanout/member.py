"""A member: a peer in a view; and what fan-out asks of the two.

Compiled where a compiler is, with the types in the `.pxd` beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from fastserver.fanout.cursor import Stream

if TYPE_CHECKING:
    from asyncio import WriteTransport

    from fastserver.errors import CloseReason
    from fastserver.fanout.cursor import Cursor
    from fastserver.fanout.outbox import Outbox
    from fastserver.fanout.way import Way
    from fastserver.framing.framing import Framing


class Receiver(Protocol):
    """A peer that receives."""

    outbox: Outbox | None
    """The messages that wait for it and that its link was not given; None while it keeps up."""

    @property
    def id(self) -> int: ...

    @property
    def framing(self) -> Framing:
        """The framing that it speaks."""

    @property
    def link(self) -> Way: ...

    @property
    def members(self) -> Collection[Member]:
        """Its memberships."""

    def member_of(self, channel: Group | None) -> Member | None:
        """Its membership of `channel`, or None."""

    @property
    def pending_bytes(self) -> int:
        """Bytes that it was offered and the kernel has not taken."""

    def largest_pending(self) -> int:
        """Bytes that some message pending has at least."""

    def skip(self, messages: int, size: int) -> None:
        """Count so much as dropped that it was offered and misses, since it is too far behind."""

    def drop(self, messages: int, size: int) -> None:
        """Count so much as dropped that it was offered."""

    def lose(self, messages: int, size: int) -> None:
        """Count so much as offered, and as dropped."""

    def write_failed(self) -> None:
        """Nothing more can be written to it: its link says why."""

    def abort(self, reason: CloseReason = ...) -> None:
        """End its connection at once."""


class Group(Protocol):
    """A channel, as far as its views depend on it."""

    def regroup(self) -> None:
        """The first member of one of its views has come, or the last is gone."""


class Source(Stream, Protocol):
    """A view, as far as its members and batches depend on it."""

    framing: Framing
    order: int
    ready: dict[Member, WriteTransport]

    @property
    def channel(self) -> Group | None: ...

    def emptied(self, member: Member) -> None: ...

    def join(self, peer: Receiver, transport: WriteTransport) -> Member: ...

    def join_missing(self, peer: Receiver) -> Member: ...

    def leave(self, member: Member) -> None: ...

    def fall_behind(self, member: Member) -> None: ...

    def catch_up(self, member: Member, transport: WriteTransport) -> None: ...


class Member:
    """A peer in a channel: since when, what it sent itself, and its cursor while something waits for it there.

    A member that is `missing` is offered what is flushed and gets none of it.
    """

    __slots__ = (
        "cursor",
        "descriptor",
        "missing",
        "own_bytes",
        "own_end",
        "own_messages",
        "own_more",
        "own_start",
        "peer",
        "since_bytes",
        "unoffered",
        "view",
    )

    view: Source
    peer: Receiver

    def __init__(self, view: Source, peer: Receiver, missing: bool = False) -> None:
        self.view = view
        self.peer = peer
        self.descriptor: int = peer.link.descriptor
        self.missing = missing
        self.since_bytes = view.bytes
        self.unoffered = view.messages
        """The view's messages that are not offered to it: from before it joined, and its own."""
        self.own_bytes = 0
        self.cursor: Cursor | None = None
        # Where in the batch that is flushed its own frames lie, and how many: nowhere if the end is 0.
        self.own_start = self.own_end = self.own_messages = 0
        self.own_more: list[tuple[int, int, int]] | None = None  # behind those, if there are more places

    @property
    def channel(self) -> Group | None:
        """The channel that it receives; None for what is sent to its peer alone."""
        return self.view.channel

    @property
    def offered(self) -> tuple[int, int]:
        """Messages and bytes of others that flushes brought to it since it joined."""
        return self.view.messages - self.unoffered, self.view.bytes - self.since_bytes - self.own_bytes

    @property
    def own(self) -> list[tuple[int, int, int]]:
        """Where in the batch that is flushed its own frames lie (start, end, messages; ascending)."""
        if not self.own_end:
            return []
        return [(self.own_start, self.own_end, self.own_messages), *(self.own_more or ())]

    @property
    def own_amount(self) -> tuple[int, int]:
        """Messages and bytes of its own frames in the batch that is flushed."""
        messages = size = 0
        for start, end, count in self.own:
            messages += count
            size += end - start
        return messages, size

    def emptied(self) -> None:
        """Nothing more waits in its view. Its peer is still behind."""
        self.view.emptied(self)

    def sent(self, start: int, end: int, messages: int, run: int) -> None:
        """Frames of its own lie from `start` to `end` of the batch, in a run that begins at `run`."""
        more = self.own_more
        if not self.own_end:
            self.own_start, self.own_end, self.own_messages = start, end, messages
        elif more is None and self.own_end == start and start > run:  # it does not reach across runs
            self.own_end = end
            self.own_messages += messages
        elif more is None:
            self.own_more = [(start, end, messages)]
        else:
            first, last, before = more[-1]
            if last == start and start > run:
                more[-1] = (first, end, before + messages)
            else:
                more.append((start, end, messages))
        self.own_bytes += end - start
        self.unoffered += messages

    def not_sent(self) -> None:
        """Undo `sent` for a batch that was not made. That needs no memory."""
        self.own_bytes -= self.own_end - self.own_start
        self.unoffered -= self.own_messages
        for start, end, messages in self.own_more or ():
            self.own_bytes -= end - start
            self.unoffered -= messages
        self.own_start = self.own_end = self.own_messages = 0
        self.own_more = None
