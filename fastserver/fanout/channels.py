"""The channels of a server by name, and those that peers were in when they left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakValueDictionary

from fastserver.fanout.channel import Channel

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer
    from fastserver.server import Server


class Channels(Mapping[str, Channel]):
    """The channels there are: someone is in them, or holds them. Iterating gives the names of the moment it began."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._channels: WeakValueDictionary[str, Channel] = WeakValueDictionary()
        self._left: WeakKeyDictionary[Peer, list[Channel]] = WeakKeyDictionary()

    def __getitem__(self, name: str) -> Channel:
        return self._channels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._channels))

    def __len__(self) -> int:
        return len(self._channels)

    def make(self, name: str) -> Channel:
        """The channel of that name, a new one if there is none."""
        channel = self._channels.get(name)
        if channel is None:
            if not isinstance(name, str):
                raise TypeError(f"the name of a channel is text, not {type(name).__name__}")
            channel = self._channels[name] = Channel(name, self._server)
        return channel

    def of(self, peer: Peer) -> list[Channel]:
        """Those that `peer` is in, or was in when its connection ended, in the order in which it joined them."""
        everyone = self._server.everyone
        joined = [one.channel for one in peer.members if one.channel.serves and one.channel is not everyone]
        return [*self._left.get(peer, ()), *joined]

    def leave_all(self, peer: Peer) -> None:
        """`peer` leaves all that it is in, since its connection ends."""
        channels = self.of(peer)
        if channels:
            self._left[peer] = channels
