"""What the log says of all peers: at the end, and when asked."""

from __future__ import annotations

from typing import Final

from fastserver.errors import CloseReason
from fastserver.log import logger
from fastserver.peermap import PeerMap

NAMED: Final = 100
"""Peers furthest behind that a report names."""


def report(peers: PeerMap) -> None:
    """The totals, and the peers furthest behind."""
    logger.info(
        "report: %(connected)d peers connected, %(accepted)d since start, %(messages_in)d messages "
        "(%(bytes_in)d bytes) in, %(messages_out)d messages (%(bytes_out)d bytes) out, "
        "%(pending_messages)d pending, %(dropped_messages)d dropped, %(refused)d connections refused",
        {
            "connected": len(peers),
            "accepted": peers.accepted,
            "refused": sum(peers.refused.values()),
            **vars(peers.totals()),
        },
    )
    for figures in peers.furthest_behind(NAMED):
        logger.info(
            "report: peer %(id)d %(address)s %(state)s"
            + (", slow" if figures.slow else "")
            + ": %(pending_messages)d messages (%(pending_bytes)d bytes) "
            "pending, %(messages_out)d out, %(dropped_messages)d dropped",
            figures.fields(),
        )


def stopped(peers: PeerMap) -> None:
    """The last line of a server's log."""
    totals = peers.totals()
    logger.info(
        "stopped: %(peers)d peers served, %(messages_in)d messages in, %(messages_out)d out, "
        "%(dropped)d dropped, %(shutdown)d of them by shutdown",
        {
            "peers": peers.accepted,
            "messages_in": totals.messages_in,
            "messages_out": totals.messages_out,
            "dropped": totals.dropped_messages,
            "shutdown": peers.dropped[CloseReason.SHUTDOWN],
        },
    )
