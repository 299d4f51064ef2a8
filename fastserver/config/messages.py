"""Settings of what is passed on and what is added to it."""

from __future__ import annotations

from typing import Final

from fastserver.config.field import setting
from fastserver.framing import arguments

GROUP: Final = "Messages"
"""The section of the help and of the manual."""

# As it always was, and as NATS closes a client that breaks the protocol.
INVALID_TEXT: Final = setting(
    GROUP,
    "close",
    "Treatment of a msgpack message with text that is not UTF-8: close its sender, skip the message, or pass it on.",
    choices=arguments.INVALID_TEXT,
)
# As NATS closes a client over its max_payload: whose messages are too long had better know.
OVERSIZE: Final = setting(
    GROUP,
    "close",
    "Treatment of a message longer than --max-message: close its sender, or skip the message.",
    choices=arguments.OVERSIZE,
)
# Off: it costs latency at rest too.
FLUSH_INTERVAL: Final = setting(
    GROUP,
    None,
    "Collect messages for this long before they are sent: fewer, larger writes, for as much latency.",
    kind=float,
    unit="seconds",
    low=0.001,  # the clock of libuv has no finer ones
    high=1,
    off=True,
)
ECHO: Final = setting(GROUP, False, "Send every message back to its sender too.")
# Off: nothing is put into a stream that no peer sent.
HEARTBEAT: Final = setting(
    GROUP,
    None,
    "Send a message to each peer that was sent nothing for this long, or up to a quarter longer.",
    kind=float,
    unit="seconds",
    low=0.001,
    high=31_536_000,
    off=True,
)
HEARTBEAT_MESSAGE: Final = setting(
    GROUP,
    "",
    "Content of a heartbeat: a line, or in the msgpack modes JSON; the default is an empty line, or nil.",
    unit="text",
    empty=True,
)
LAST_WORD: Final = setting(GROUP, False, "Tell a peer that is closed the reason, by a last message.")
