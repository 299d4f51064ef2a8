"""Log lines about where a server listens."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from fastserver.config.listener import Listener, Role
from fastserver.log.log import logger, tell


def listening(open_at: Iterable[tuple[str, Listener]]) -> None:
    """Log a line for each address that a server listens on, however many there are."""
    for address, listener in open_at:
        logger.info(*_listening(address, listener))


def chosen_ports(open_at: Iterable[tuple[str, Listener]]) -> None:
    """Log the same for ports that the system chose if the level hides these lines: nothing else tells the ports."""
    if not logger.isEnabledFor(logging.INFO):
        for address, listener in open_at:
            if listener.path is None and listener.port == 0:
                tell(*_listening(address, listener))


def _listening(address: str, listener: Listener) -> tuple[str, dict[str, Any]]:
    role = "" if listener.role is Role.BOTH else ", role %(role)s"
    channel = "" if listener.channel is None else ", channel %(channel)s"
    kind = "listening on %(address)s, mode %(mode)s" + role + channel
    fields: dict[str, Any] = {"address": address, "mode": listener.mode, "role": listener.role}
    return kind, fields | ({"channel": listener.channel} if channel else {})
