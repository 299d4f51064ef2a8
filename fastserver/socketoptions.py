"""Options of sockets, by the names that they have in `socket`, so that those a system lacks can be passed over."""

from __future__ import annotations

import socket
from collections.abc import Iterable

SocketOption = tuple[str, int]
"""The name of an option, and its value."""


def keep_alive(idle: int, interval: int, probes: int) -> list[SocketOption]:
    """The options that have TCP probe a connection after `idle` seconds of silence, every `interval` seconds, and give
    it up after so many `probes` without an answer.
    """
    return [
        ("SO_KEEPALIVE", 1),
        ("TCP_KEEPIDLE", idle),
        ("TCP_KEEPALIVE", idle),  # the same on macOS
        ("TCP_KEEPINTVL", interval),
        ("TCP_KEEPCNT", probes),
    ]


def set_options(sock: socket.socket, options: Iterable[SocketOption]) -> None:
    """Set those of `options` that the system has; TCP connections that a listening socket accepts inherit them.

    Raises `OSError` where the system refuses one.
    """
    for name, value in options:
        if hasattr(socket, name):
            level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
            sock.setsockopt(level, getattr(socket, name), value)
