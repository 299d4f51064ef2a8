"""The figures of a peer, taken now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from fastserver.figures import Figures

if TYPE_CHECKING:
    from fastserver.errors import CloseReason
    from fastserver.peers.books import Amount
    from fastserver.peers.hub import Hub, Inbox


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
