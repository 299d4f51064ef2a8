"""Settings of how much peers may send and make the server hold."""

from __future__ import annotations

from typing import Final

from fastserver.config.field import setting
from fastserver.config.setting import GIB, MIB

GROUP: Final = "Limits"
"""The section of the help and of the manual."""

# 1 MiB as in NATS (max_payload).
MAX_MESSAGE: Final = setting(
    GROUP,
    MIB,
    "Maximum payload of one message; --oversize says what becomes of a longer one.",
    unit="bytes",
    low=1,
    high=GIB,
)
# 64 peers at the limit of --max-pending, each with a stream of its own; what they share counts once.
MAX_MEMORY: Final = setting(
    GROUP,
    GIB,
    "Maximum held for all peers together; beyond it, peers that hold much and take little are closed.",
    unit="bytes",
    low=MIB,
    high=1024 * GIB,
    off=True,
)
# Off: what a sender may send is for who runs the feed to say; others are protected from it by --max-pending.
MAX_MESSAGES_PER_SECOND: Final = setting(
    GROUP,
    None,
    "Maximum number of messages a second from one address, all its peers together; faster senders are read "
    "more slowly.",
    kind=int,
    unit="messages",
    low=1,
    high=1_000_000_000,
    off=True,
)
MAX_BYTES_PER_SECOND: Final = setting(
    GROUP,
    None,
    "Maximum number of bytes a second from one address, all its peers together; faster senders are read more slowly.",
    kind=int,
    unit="bytes",
    low=1,
    high=64 * GIB,
    off=True,
)
# A second's worth is let through at once: what a rate per second says, and no more.
BURST: Final = setting(
    GROUP,
    1.0,
    "A peer that was quiet may send as much at once as its rates allow in this time.",
    unit="seconds",
    low=0.001,
    high=3600,
)
