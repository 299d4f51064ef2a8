"""Notices: messages of the server's own to one peer, only where they were asked for, and only between whole messages.

Each is a message of the peer's framing: an object with the key `fastserver`, as JSON text where payloads are bytes, and
packed where they are MessagePack.

    {"fastserver": "missed", "messages": 42}                   here 42 messages are missing (`notify_drops`)
    {"fastserver": "closing", "reason": "slow_consumer"}       the last message before the end (`last_word`)

Nothing in a notice proves that the server wrote it: messages are passed on verbatim, so any peer can send the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastserver.errors import CloseReason
    from fastserver.framing.framing import Framing


def missed(framing: Framing, messages: int) -> bytes:
    """The frame that says how many messages a peer missed."""
    return _frame(framing, {"fastserver": "missed", "messages": messages})


def closing(framing: Framing, reason: CloseReason) -> bytes:
    """The frame that says why a peer is closed."""
    return _frame(framing, {"fastserver": "closing", "reason": reason.value})


def _frame(framing: Framing, value: dict[str, Any]) -> bytes:
    return framing.frame(framing.pack(framing.parse(json.dumps(value))))
