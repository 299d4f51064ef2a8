"""Log lines about all peers together: the report, and the totals at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastserver.clock import Clock
from fastserver.errors import CloseReason
from fastserver.figures import Counts, Figures
from fastserver.log.log import logger, tell
from fastserver.peers.peermap import PeerMap
from fastserver.peers.rounds import visit_all

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer

NAMED: Final = 100
"""Peers furthest behind that a report names."""


def report(peers: PeerMap, clock: Clock) -> None:
    """Log the totals and the peers furthest behind: at once if there are few peers, else when all were visited."""
    gathered = Gathered(peers)
    visit_all(clock, peers, gathered.add, gathered.write)


class Gathered:
    """The counters of all peers, added up one by one. A peer that leaves meanwhile counts as it was at its end."""

    def __init__(self, peers: PeerMap) -> None:
        self._peers = peers
        self._connected = len(peers)
        self._accepted = peers.accepted
        self._refused = sum(peers.refused.values())
        self._total = peers.left
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
        """Log what was added up."""
        tell(
            "report: %(connected)d peers connected, %(accepted)d since start, %(messages_in)d messages "
            "(%(bytes_in)d bytes) in, %(messages_out)d messages (%(bytes_out)d bytes) out, "
            "%(pending_messages)d pending, %(dropped_messages)d dropped, %(refused)d connections refused"
            + lost(self._total),
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


def lost(counts: Counts) -> str:
    """The end of a log line: how many messages of senders were skipped or had no translation, if any."""
    skipped = ", %(skipped_messages)d skipped" if counts.skipped_messages else ""
    return skipped + (", %(untranslatable_messages)d untranslatable" if counts.untranslatable_messages else "")


def furthest(figures: list[Figures], most: int) -> list[Figures]:
    """The `most` of `figures` that are furthest behind, the furthest first."""
    return sorted(figures, key=lambda one: one.pending_bytes, reverse=True)[:most]


def stopped(peers: PeerMap) -> None:
    """Log the totals of a server that has stopped, its last line."""
    totals = peers.totals()
    logger.info(
        "stopped: %(peers)d peers served, %(messages_in)d messages in, %(messages_out)d out, "
        "%(dropped)d dropped, %(shutdown)d of them by shutdown" + lost(totals),
        {
            "skipped_messages": totals.skipped_messages,
            "untranslatable_messages": totals.untranslatable_messages,
            "peers": peers.accepted,
            "messages_in": totals.messages_in,
            "messages_out": totals.messages_out,
            "dropped": totals.dropped_messages,
            "shutdown": peers.dropped[CloseReason.SHUTDOWN],
        },
    )
