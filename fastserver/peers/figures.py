"""Figures: the counters of one peer, or of many added up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import add, attrgetter
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fastserver.errors import CloseReason
    from fastserver.peers.books import Amount
    from fastserver.peers.hub import Hub, Inbox


@dataclass(frozen=True)
class Counts:
    """Counters of one peer or of many. For messages as for bytes: offered = out + dropped + pending."""

    messages_in: int = 0
    bytes_in: int = 0
    offered_messages: int = 0
    """Messages of others that flushes brought to the peer."""
    offered_bytes: int = 0
    messages_out: int = 0
    """Messages of which the kernel took the last byte."""
    bytes_out: int = 0
    pending_messages: int = 0
    pending_bytes: int = 0
    dropped_messages: int = 0
    dropped_bytes: int = 0
    waiting_messages: int = 0
    """Messages the peer sent that wait for an async handler."""
    waiting_bytes: int = 0
    skipped_messages: int = 0
    """Messages it sent that went no further, since they are too long or their text is not UTF-8 (`oversize`,
    `invalid_text`)."""
    untranslatable_messages: int = 0
    """Messages it sent that peers of another framing did not get, since they have no translation, or are longer than
    `max_message` then; once for each such framing."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(add, _counters(self), _counters(other)))


# `astuple` would copy each value deeply, at 30 us: too long where thousands of peers are added up, or end at once.
_counters: Callable[[Counts], tuple[int, ...]] = attrgetter(*[one.name for one in fields(Counts)])


@dataclass(frozen=True, kw_only=True)
class Figures(Counts):
    """The state of one peer at one moment, and its counters. Times are seconds since the epoch."""

    id: int
    address: str
    state: str
    slow: bool
    """Whether it has been far behind for a long time (`slow_after`)."""
    reason: str | None
    connected_at: float
    last_message_at: float | None

    def fields(self) -> dict[str, Any]:
        """All figures by name."""
        return dict(vars(self))


class Counted(Protocol):
    """A peer, as far as its figures depend on it."""

    hub: Hub[Any]
    id: int
    address: str
    reason: CloseReason | None
    messages_in: int
    bytes_in: int
    last_message: float | None
    inbox: Inbox | None

    @property
    def state(self) -> str: ...

    @property
    def since(self) -> float: ...

    def offered(self) -> Amount: ...

    def pending(self) -> Amount: ...

    @property
    def dropped(self) -> Amount: ...


def of(peer: Counted) -> Figures:
    """The figures of `peer` now."""
    offered_messages, offered_bytes = peer.offered()
    pending_messages, pending_bytes = peer.pending()
    dropped_messages, dropped_bytes = peer.dropped
    hub = peer.hub
    wall = time.time() - hub.clock.time()
    return Figures(
        id=peer.id,
        address=peer.address,
        state=peer.state,
        slow=peer in hub.slow,
        reason=None if peer.reason is None else peer.reason.value,
        connected_at=wall + peer.since,
        last_message_at=None if peer.last_message is None else wall + peer.last_message,
        messages_in=peer.messages_in,
        bytes_in=peer.bytes_in,
        skipped_messages=hub.losses.skipped[peer.id],
        untranslatable_messages=hub.losses.untranslatable[peer.id],
        offered_messages=offered_messages,
        offered_bytes=offered_bytes,
        messages_out=offered_messages - pending_messages - dropped_messages,
        bytes_out=offered_bytes - pending_bytes - dropped_bytes,
        pending_messages=pending_messages,
        pending_bytes=pending_bytes,
        waiting_messages=0 if peer.inbox is None else peer.inbox.messages,
        waiting_bytes=0 if peer.inbox is None else peer.inbox.bytes,
        dropped_messages=dropped_messages,
        dropped_bytes=dropped_bytes,
    )
