"""The relay: passes on what peers send, to the program's handlers or to everyone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastserver.fanout.tick import Tick
    from fastserver.handlers.handlers import Handlers
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer


class Relay:
    """Logs what peers send, and gives it to `handlers` if there are any for messages, else to everyone: with `echo` to
    its sender too.
    """

    def __init__(self, *, echo: bool, log: Log, tick: Tick, handlers: Handlers) -> None:
        self._echo = echo
        self._log = log
        self._tick = tick
        self._handlers = handlers

    def watch(self, peer: Peer) -> None:
        """Have `peer`, which has come, receive what is relayed; and have the fast path do all it can of the work."""
        self._tick.relaying = not (self._handlers.takes_messages or self._echo)
        self._tick.shown = self._log.shows_messages  # so another level counts from the next connection on
        if peer.role.receives:
            peer.add(peer.view)

    def receive(self, peer: Peer, frames: bytes, messages: int) -> None:
        """Pass on `frames` (complete, that many messages), which `peer` sent."""
        if self._tick.shown:
            self._log.messages(peer.id, peer.address, peer.framing, frames, messages)
        if self._handlers.takes_messages:
            self._handlers.received(peer, frames, messages)
        else:
            self._tick.publish(peer.view, None if self._echo else peer.member, frames, messages, peer.id)
