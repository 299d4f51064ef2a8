"""The doorway: a new peer waits here, if its origin is in debt and it is not to be read yet.

uvloop, and the standard loop of Python 3.10, read a new connection once, paused or not. Such bytes are kept here, and
count as incoming.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer


class Doorway(asyncio.Protocol):
    """Stands as the protocol of a connection in the place of `peer`, until that is let through."""

    def __init__(self, peer: Peer) -> None:
        self.held = b""
        """Bytes that were read."""
        self._peer = peer
        peer.link.read_for(self)

    def let_through(self) -> None:
        """Put the peer in its place, and pass on what it sent as if that came now."""
        self._peer.link.read_for(self._peer)
        held, self.held = self.held, b""
        if held:
            self._peer.data_received(held)

    # From the loop.

    def data_received(self, data: bytes) -> None:
        if self._peer.reason is not None:
            return  # closing: it is read on, but nothing is passed on
        self.held += data
        self._peer.link.resume_reading()  # the loop of Python 3.10 reads on, and believes that it is paused
        self._peer.link.pause_reading()
        hub = self._peer.hub
        hub.tick.room -= len(data)
        if hub.tick.room < 0:
            hub.check_memory()

    def eof_received(self) -> bool:
        self.let_through()  # without data, or it would not have been read so far
        return self._peer.eof_received()

    def pause_writing(self) -> None:
        self._peer.pause_writing()

    def resume_writing(self) -> None:
        self._peer.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer.connection_lost(exc)
