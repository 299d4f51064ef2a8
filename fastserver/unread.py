"""Unread peers: those that ended their stream, and those that are not read for now. The loop says nothing of what
becomes of them, so the system is asked once a second whether their connections still are.

Asking about all of them is one system call; who is read costs nothing.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, Final

from fastserver.errors import CloseReason
from fastserver.pause import Pause

if TYPE_CHECKING:
    from fastserver.peer import Peer
    from fastserver.server import Server

INTERVAL: Final = 1.0
"""Seconds after which they are asked about again."""


class Unread:
    """The unread peers of one server, as far as they have a descriptor. One whose connection is gone is read to its
    end; where its origin is over its rate, it waits for that first.
    """

    def __init__(self, server: Server) -> None:
        self.over: set[Peer] = set()
        """Those whose connection is gone, but for what they had sent before."""
        self._server = server
        self._peers: dict[int, Peer] = {}
        self._poll: Any = select.poll() if hasattr(select, "poll") else None  # Windows has none
        self._looking = False

    def add(self, peer: Peer) -> None:
        """`peer` is read no further."""
        if self._poll is None or peer.descriptor < 0:
            return
        self._poll.register(peer.descriptor, 0)  # for errors alone, which are always told
        self._peers[peer.descriptor] = peer
        if not self._looking:
            self._server.call_later(INTERVAL, self._look)
            self._looking = True

    def remove(self, peer: Peer) -> None:
        """`peer` is read again."""
        if self._peers.get(peer.descriptor) is peer:  # not another that has got its number
            del self._peers[peer.descriptor]
            self._poll.unregister(peer.descriptor)

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self.remove(peer)
        self.over.discard(peer)

    def _look(self) -> None:
        self._looking = False
        if not self._peers:
            return
        self._server.call_later(INTERVAL, self._look)
        self._looking = True
        for descriptor, events in self._poll.poll(0):
            peer = self._peers.get(descriptor)
            if peer is None:
                continue
            self.remove(peer)
            if events & (select.POLLERR | select.POLLHUP) and not peer.transport.is_closing():
                self._find_over(peer)

    def _find_over(self, peer: Peer) -> None:
        if not peer.ended:
            self.over.add(peer)
            peer.resume_reading(Pause.ALL & ~Pause.RATE if peer.owes else Pause.ALL)
        elif peer.reason is None:  # all it sent has been read
            peer.abort(CloseReason.EOF if peer.address.startswith("unix:") else CloseReason.RESET)
