"""What the log says of the whole server: where it listens, how it ended, and what is asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from fastserver.config.listener import Listener, Role
from fastserver.errors import CloseReason
from fastserver.limits.rounds import CallLater, go_over
from fastserver.log.log import logger, tell
from fastserver.peers.figures import Counts, Figures
from fastserver.peers.peermap import PeerMap

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer

NAMED: Final = 100
"""Peers furthest behind that a report names."""


def listening(open_at: Iterable[tuple[str, Listener]]) -> None:
    """Where a server listens: a line for each address, however many there are."""
    for address, listener in open_at:
        logger.info(*_listening(address, listener))


def chosen_ports(open_at: Iterable[tuple[str, Listener]]) -> None:
    """The same for ports that the system chose, where the level hides it: nothing else tells them."""
    if not logger.isEnabledFor(logging.INFO):
        for address, listener in open_at:
            if listener.path is None and listener.port == 0:
                tell(*_listening(address, listener))


def _listening(address: str, listener: Listener) -> tuple[str, dict[str, Any]]:
    role = "" if listener.role is Role.BOTH else ", role %(role)s"
    kind = "listening on %(address)s, mode %(mode)s" + role
    return kind, {"address": address, "mode": listener.mode, "role": listener.role}


def report(peers: PeerMap, call_later: CallLater) -> None:
    """The totals, and the peers furthest behind: at once if there are few, else when all have been looked at."""
    gathered = Gathered(peers)
    go_over(peers, gathered.add, call_later, gathered.write)


class Gathered:
    """The counters of all peers, added up one by one. Those that leave meanwhile count as they ended."""

    def __init__(self, peers: PeerMap) -> None:
        self._peers = peers
        self._connected = len(peers)
        self._accepted = peers.accepted
        self._refused = sum(peers.refused.values())
        self._total = peers.gone
        self._behind: list[Figures] = []

    def add(self, peer: Peer) -> None:
        """Count `peer`."""
        figures = peer.figures()
        self._total += figures
        if figures.pending_bytes:
            self._behind.append(figures)
            if len(self._behind) >= 2 * NAMED:
                self._behind = furthest(self._behind, NAMED)

    def write(self) -> None:
        """The lines of the log."""
        tell(
            "report: %(connected)d peers connected, %(accepted)d since start, %(messages_in)d messages "
            "(%(bytes_in)d bytes) in, %(messages_out)d messages (%(bytes_out)d bytes) out, "
            "%(pending_messages)d pending, %(dropped_messages)d dropped, %(refused)d connections refused"
            + skipped(self._total),
            {
                "connected": self._connected,
                "accepted": self._accepted,
                "refused": self._refused,
                **vars(self._total),
            },
        )
        for figures in furthest(self._behind, NAMED):
            tell(
                "report: peer %(id)d %(address)s %(state)s"
                + (", slow" if figures.slow else "")
                + ": %(pending_messages)d messages (%(pending_bytes)d bytes) "
                "pending, %(messages_out)d out, %(dropped_messages)d dropped",
                figures.fields(),
            )


def skipped(counts: Counts) -> str:
    """What a log line says of messages that were skipped, if any were."""
    return ", %(skipped_messages)d skipped" if counts.skipped_messages else ""


def furthest(figures: list[Figures], most: int) -> list[Figures]:
    """At most that many of `figures`, the furthest behind first."""
    return sorted(figures, key=lambda one: one.pending_bytes, reverse=True)[:most]


def stopped(peers: PeerMap) -> None:
    """The last line of a server's log."""
    totals = peers.totals()
    logger.info(
        "stopped: %(peers)d peers served, %(messages_in)d messages in, %(messages_out)d out, "
        "%(dropped)d dropped, %(shutdown)d of them by shutdown" + skipped(totals),
        {
            "skipped_messages": totals.skipped_messages,
            "peers": peers.accepted,
            "messages_in": totals.messages_in,
            "messages_out": totals.messages_out,
            "dropped": totals.dropped_messages,
            "shutdown": peers.dropped[CloseReason.SHUTDOWN],
        },
    )
