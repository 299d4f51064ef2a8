"""The reception: makes the peer of each connection that a listener accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastserver.framing.discard import DISCARD
from fastserver.peers.peer import Peer

if TYPE_CHECKING:
    from fastserver.config.config import Config
    from fastserver.config.listener import Listener
    from fastserver.fanout.channel import Channel
    from fastserver.framing.framing import Splitter
    from fastserver.peers.hub import Hub


class Reception:
    """Makes peers as `config` says. They belong to the channel that their listener names, or else to `everyone`."""

    def __init__(self, config: Config, hub: Hub[Peer], everyone: Channel[Peer]) -> None:
        self._config = config
        self._hub = hub
        self._everyone = everyone
        # Held, so that the program finds each by its name also while nobody is in it.
        self._named = [hub.channels.make(name) for name in config.channels]

    def accept(self, listener: Listener) -> Peer:
        """A peer for the next connection to `listener`."""
        framing, config = listener.framing, self._config
        splitter: Splitter = DISCARD
        if listener.role.sends:
            splitter = framing.splitter(config.max_message, config.invalid_text, config.oversize)
        channel = self._everyone if listener.channel is None else self._hub.channels.make(listener.channel)
        peer = Peer(self._hub, channel.view(framing), splitter, listener.role)
        if listener.path is not None:
            peer.address = f"unix:{listener.path}"
        return peer
