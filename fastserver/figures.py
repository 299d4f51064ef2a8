"""Figures: the counters of one peer, or of many added up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import add, attrgetter
from typing import Any


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
