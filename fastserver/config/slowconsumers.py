"""Settings of how far behind peers may be, and what becomes of those that are further."""

from __future__ import annotations

from typing import Final, Literal, get_args

from fastserver.config.field import setting
from fastserver.config.setting import GIB, KIB, MIB

Policy = Literal["disconnect", "drop-oldest", "drop-newest", "latest", "block"]
POLICIES: Final = get_args(Policy)

GROUP: Final = "Slow consumers"
"""The section of the help and of the manual."""

# Between Redis' soft limit of 8 MB and its hard limit of 32 MB for subscribers.
MAX_PENDING: Final = setting(
    GROUP,
    16 * MIB,
    "Maximum pending for one peer; beyond it --slow-consumer applies.",
    unit="bytes",
    low=64 * KIB,
    high=64 * GIB,
)
# As NATS, Redis and Centrifugo do: who cannot miss anything had better know that it did.
SLOW_CONSUMER: Final = setting(
    GROUP,
    "disconnect",
    "Policy for a peer beyond --max-pending: close it, drop its oldest or newest messages or all but the latest, "
    "or make senders wait.",
    choices=POLICIES,
)
# As long as block waits for one; the others are slowed, not stopped.
PACE_TIMEOUT: Final = setting(
    GROUP,
    10.0,
    "Maximum time in any minute that senders are slowed for one peer that takes less than --max-pending in a second.",
    unit="seconds",
    low=0.001,
    high=60,
)
# Long enough for a reader to send 100 MB before it takes any; no longer than a sender's own timeouts (30 s) last.
BLOCK_TIMEOUT: Final = setting(
    GROUP,
    10.0,
    "Under --slow-consumer block, maximum time in any minute that senders wait for one peer that takes nothing; "
    "then that peer is closed.",
    unit="seconds",
    low=0.001,
    high=60,
)
# Off: while senders are paced, a reader that is slower than them may be that far behind for long, and be well.
SLOW_AFTER: Final = setting(
    GROUP,
    None,
    "A peer that is over a quarter of --max-pending behind for this long is closed under disconnect, "
    "else marked as slow and logged.",
    kind=float,
    unit="seconds",
    low=0.001,
    high=31_536_000,
    off=True,
)
NOTIFY_DROPS: Final = setting(
    GROUP, False, "Tell a peer that missed messages how many, by a message at the place where they are missing."
)
# Off: the system's own limit (net.ipv4.tcp_wmem, 4 MB), up to which it gives each connection what its speed needs.
SEND_BUFFER: Final = setting(
    GROUP,
    None,
    "Maximum that the kernel buffers for one peer (SO_SNDBUF); off is the system's own limit, 4 MB on most Linux.",
    kind=int,
    unit="bytes",
    low=4 * KIB,
    high=GIB,
    off=True,
)
