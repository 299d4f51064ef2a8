"""The channels of a server by name, and those that peers were in when they left."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from fastserver.fanout.channel import Channel, Circle
from fastserver.fanout.member import Member


class Joined(Protocol):
    """A peer, as far as its channels depend on it."""

    @property
    def members(self) -> Collection[Member]: ...


P = TypeVar("P", bound=Joined)


class Channels(Mapping[str, Channel[P]]):
    """The channels there are: someone is in them, or holds them. Iterating gives the names of the moment it began.

    `everyone`, the channel that every receiving peer is in, is none of them.
    """

    def __init__(self, circle: Circle, everyone: Channel[P]) -> None:
        self._circle = circle
        self._everyone = everyone
        self._channels: WeakValueDictionary[str, Channel[P]] = WeakValueDictionary()
        self._left: WeakKeyDictionary[P, list[Channel[P]]] = WeakKeyDictionary()

    def __getitem__(self, name: str) -> Channel[P]:
        return self._channels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._channels))

    def __len__(self) -> int:
        return len(self._channels)

    def make(self, name: str) -> Channel[P]:
        """The channel of that name, a new one if there is none."""
        channel = self._channels.get(name)
        if channel is None:
            if not isinstance(name, str):
                raise TypeError(f"the name of a channel is text, not {type(name).__name__}")
            channel = self._channels[name] = Channel(name, self._circle)
        return channel

    def of(self, peer: P) -> list[Channel[P]]:
        """The channels that `peer` is in, or was in when its connection ended, in the order in which it joined them."""
        joined = [one.channel for one in peer.members if one.channel is not None and one.channel is not self._everyone]
        return [*self._left.get(peer, ()), *joined]

    def leave_all(self, peer: P) -> None:
        """`peer` leaves all that it is in, since its connection ends."""
        channels = self.of(peer)
        if channels:
            self._left[peer] = channels
