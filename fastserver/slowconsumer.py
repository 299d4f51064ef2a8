"""Slow consumers: peers further behind than their limit, and what becomes of them."""

from __future__ import annotations

from logging import WARNING
from typing import TYPE_CHECKING

from fastserver.errors import CloseReason

if TYPE_CHECKING:
    from fastserver.peer import Peer
    from fastserver.server import Server


class SlowConsumers:
    """The policy of one server. Where messages are dropped, its log says when that begins and when it is over."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._dropping = server.config.slow_consumer == "drop-oldest"
        self._episodes: dict[Peer, tuple[float, int]] = {}  # since when (loop time), and messages dropped before

    def meet(self, peer: Peer) -> None:
        """`peer` is over the limit."""
        server = self._server
        if peer not in self._episodes:
            server.log.line(
                WARNING,
                "peer %(id)d %(address)s is %(pending)d bytes behind, more than %(limit)d: %(consequence)s",
                id=peer.id,
                address=peer.address,
                pending=peer.pending_bytes,
                limit=server.config.max_pending,
                consequence="dropping what it has waited for longest" if self._dropping else "closing it",
            )
        if self._dropping:
            self._episodes.setdefault(peer, (server.time(), peer.dropped[0]))
            server.flush.drop_oldest(peer)
        else:
            peer.abort(CloseReason.SLOW_CONSUMER)

    def caught_up(self, peer: Peer) -> None:
        """`peer` is behind no more."""
        episode = self._episodes.pop(peer, None)
        if episode is not None:
            since, before = episode
            self._server.log.line(
                WARNING,
                "peer %(id)d %(address)s has caught up after %(seconds).1f s; %(dropped)d messages were dropped for it",
                id=peer.id,
                address=peer.address,
                seconds=self._server.time() - since,
                dropped=peer.dropped[0] - before,
            )

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self._episodes.pop(peer, None)
