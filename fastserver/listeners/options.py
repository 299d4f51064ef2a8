"""The options of the TCP connections that a server accepts, set on its listening sockets: so they cost nothing at
accept (as with nginx' so_keepalive).
"""

from __future__ import annotations

from typing import Final

from fastserver.config.config import Config
from fastserver.socketoptions import SocketOption, keep_alive

PROBES: Final = 3
"""Unanswered keepalive probes after which a connection is dead."""

NOT_SENT: Final = 16 * 1024
"""Bytes that may wait in the kernel unsent for a peer that wants the newest (TCP_NOTSENT_LOWAT)."""


def accepted(config: Config) -> list[SocketOption]:
    """The options that `config` asks for."""
    options = kept_alive(config.keepalive)
    if config.send_buffer is not None:
        options.append(("SO_SNDBUF", config.send_buffer))
    if config.slow_consumer == "latest":
        options.append(("TCP_NOTSENT_LOWAT", NOT_SENT))
    return options


def kept_alive(idle: int | None) -> list[SocketOption]:
    """The options that have TCP probe a connection after `idle` seconds of silence; none if None."""
    # Three probes at a third of the time each, as Redis does: the dead are known after twice the time.
    return [] if idle is None else keep_alive(idle, max(1, idle // PROBES), PROBES)
