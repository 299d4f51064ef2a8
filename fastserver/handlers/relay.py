"""The relay: passes on what peers send, to the program's handlers or to everyone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastserver.fanout.channel import Channel
    from fastserver.fanout.flush import Flush
    from fastserver.framing.framing import Framing
    from fastserver.handlers.handlers import Handlers
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer


class Relay:
    """Logs what peers send, and gives it to `handlers` if there are any for messages, else to `everyone`: but to its
    sender only with `echo`.
    """

    def __init__(
        self, *, echo: bool, log: Log, framing: Framing, flush: Flush, everyone: Channel, handlers: Handlers
    ) -> None:
        self._echo = echo
        self._log = log
        self._framing = framing
        self._flush = flush
        self._everyone = everyone
        self._handlers = handlers

    def watch(self, peer: Peer) -> None:
        """Have `peer`, which has come, receive what is relayed; and have the fast path do all it can of the work."""
        self._flush.relaying = None if self._handlers.takes_messages or self._echo else self._everyone
        self._flush.shown = self._log.shows_messages  # so another level counts from the next connection on
        if peer.role.receives:
            peer.add(self._everyone)

    def receive(self, peer: Peer, frames: bytes, messages: int) -> None:
        """Pass on `frames` (complete, that many messages), which `peer` sent."""
        if self._flush.shown:
            self._log.messages(peer.id, peer.address, self._framing, frames, messages)
        if self._handlers.takes_messages:
            self._handlers.received(peer, frames, messages)
        else:
            self._flush.publish(self._everyone, None if self._echo else peer.member, frames, messages)
