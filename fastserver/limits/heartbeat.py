"""Heartbeat: a message now and then to peers that were sent nothing, so that nothing between here and there forgets
the connection, and the peer knows that it lives.

Strategy: no timer is set when something is sent. All peers are looked at four times in the interval, and one to which
nothing was brought since an earlier look is quiet for as long as that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastserver.errors import ConfigError
from fastserver.peers.rounds import Rounds

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer
    from fastserver.server import Server

LOOKS: Final = 4
"""How often peers are looked at within the interval."""


class Heartbeat:
    """What is sent on quiet links, and when. Raises `ConfigError` for a message that cannot be one."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._interval = server.config.heartbeat
        self._frame = b"" if self._interval is None else _frame(server, server.config.heartbeat_message)
        self._told: dict[Peer, tuple[int, float]] = {}  # bytes it was offered, and since when it is no more
        self._rounds = (
            None if self._interval is None else Rounds(server.clock, server.peers, self._interval / LOOKS, self._look)
        )

    def watch(self) -> None:
        """There is a peer."""
        if self._rounds is not None:
            self._rounds.begin()

    def forget(self, peer: Peer) -> None:
        """`peer` is gone."""
        self._told.pop(peer, None)

    def _look(self, peer: Peer) -> None:
        # To one that is behind something is under way.
        now = self._server.clock.time()
        if peer.reason is None and peer.role.receives and not peer.stuck and self._quiet(peer, now):
            peer.tell(self._frame)

    def _quiet(self, peer: Peer, now: float) -> bool:
        size = peer.offered()[1]
        told, since = self._told.get(peer, (-1, now))
        if told != size:
            self._told[peer] = size, now
            return False
        if self._interval is None or now - since < self._interval:
            return False
        self._told[peer] = size + len(self._frame), now
        return True


def _frame(server: Server, text: str) -> bytes:
    try:
        return server.frame(server.framing.parse(text))
    except ValueError as error:
        raise ConfigError(f"--heartbeat-message: {text!r} is not allowed: {error}; allowed is one message") from None
