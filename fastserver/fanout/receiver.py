"""The peers, as far as fan-out depends on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from asyncio import WriteTransport

    from fastserver.errors import CloseReason
    from fastserver.fanout.outbox import Outbox
    from fastserver.fanout.parts import Part
    from fastserver.fanout.view import Member
    from fastserver.framing.framing import Framing


class Way(Protocol):
    """The way of one peer to the kernel."""

    error: int
    """The error number of a write that failed; 0 while all is well."""

    @property
    def descriptor(self) -> int:
        """The descriptor that bytes may be sent to beneath its transport; -1: none may."""

    @property
    def transport(self) -> WriteTransport: ...

    @property
    def stuck(self) -> bool:
        """Whether it holds bytes that the kernel has not taken."""

    def write(self, parts: Sequence[Part], messages: int = ...) -> None:
        """Pass on `parts`, in which so many messages are."""

    def hold(self, parts: Sequence[Part], messages: int) -> None:
        """Know that what was written last are these parts, with so many messages."""

    def drop(self) -> None:
        """Pass on nothing more of what was written."""


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

    def member_of(self, channel: Any) -> Member | None:
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
