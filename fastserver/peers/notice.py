"""Notices: messages of the server's own to one peer, only where they were asked for, and only between whole messages.

Each is a message of the framing: an object with the key `fastserver`, as JSON text in lines mode, packed in the msgpack
modes.

    {"fastserver": "missed", "messages": 42}                   here 42 messages are missing (`notify_drops`)
    {"fastserver": "closing", "reason": "slow_consumer"}       the last message before the end (`last_word`)

Nothing in a notice proves that the server wrote it: messages are passed on verbatim, so any peer can send the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgpack

if TYPE_CHECKING:
    from fastserver.errors import CloseReason
    from fastserver.peers.hub import Hub

LONGEST: Final = 1024
"""Bytes a notice may have; `max_message` is for what peers send."""


def missed(hub: Hub[Any], messages: int) -> bytes:
    """The frame that says how many messages a peer missed."""
    return _frame(hub, {"fastserver": "missed", "messages": messages})


def closing(hub: Hub[Any], reason: CloseReason) -> bytes:
    """The frame that says why a peer is closed."""
    return _frame(hub, {"fastserver": "closing", "reason": reason.value})


def _frame(hub: Hub[Any], value: dict[str, Any]) -> bytes:
    payload = json.dumps(value).encode() if hub.config.mode == "lines" else msgpack.packb(value)
    return hub.framing.splitter(LONGEST).frame(payload)
