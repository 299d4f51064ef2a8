"""The hub: all that the peers of one server share, and need of the parts above them. The server assembles it.

A peer knows no part above it. Each has its role here, as a protocol or a callable; `P` is the class of the peers.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from fastserver.fanout.member import Receiver

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.fanout.behind import Behind
    from fastserver.fanout.channel import Channel
    from fastserver.fanout.channels import Channels
    from fastserver.fanout.tick import Tick
    from fastserver.framing.packer import Packer
    from fastserver.log.log import Log
    from fastserver.peers.losses import Losses
    from fastserver.peers.socketlink import Sockets
    from fastserver.peers.unread import Unread

P = TypeVar("P", bound=Receiver)
P_contra = TypeVar("P_contra", contravariant=True)


class Rate(Protocol):
    """Keeps one peer to its rate."""

    @property
    def held(self) -> int:
        """Bytes that it sent and that are passed on later."""

    @property
    def shared(self) -> bool:
        """Whether others of its origin owe what it owes, so that it cannot escape by leaving."""

    def spend(self, messages: int, size: int) -> None:
        """Take so many messages and bytes off its rate, and pause its reading if that was too much."""


class Inbox(Protocol):
    """Holds what one peer sent until async handlers have handled it."""

    messages: int
    bytes: int

    def greet(self) -> None:
        """Call the connect handlers first."""

    def add(self, frames: builtins.bytes, messages: int) -> None:
        """Handle `frames` (complete, that many messages) after what waits."""

    def part(self) -> None:
        """Call the disconnect handlers last."""


class Pacer(Protocol[P_contra]):
    """Slows what peers send to what others take: holds it back until it may be passed on."""

    def receive(self, sender: P_contra, frames: bytes, messages: int) -> None:
        """Pass on `frames` (complete, that many messages) that `sender` sent, or hold them until that may be."""

    async def turn(self, sender: P_contra, size: int) -> None:
        """Return when a message of `sender`, `size` bytes, may be handled."""

    def held_bytes(self, sender: P_contra) -> int:
        """Bytes that are held of `sender`."""

    def after_held(self, sender: P_contra, then: Callable[[], object]) -> None:
        """Call `then` once nothing is held of `sender`: now, or behind what is."""

    def drop(self, sender: P_contra) -> None:
        """Throw away what is held of `sender`."""


class LocalPeers(Container[P], Protocol[P]):
    """The peers that are no connections, but listen in this process."""

    def listen(self, hub: Hub[P], channel: Channel[P]) -> Any:
        """Have another listen to `channel`. Raises RuntimeError unless the server runs."""


@dataclass(kw_only=True, eq=False, slots=True)
class Hub(Generic[P]):
    """Shared by all peers of one server."""

    config: Config
    clock: Clock
    log: Log
    tick: Tick
    behind: Behind[P]
    sockets: Sockets
    packer: Packer
    """Puts the values that handlers send into wire form."""
    ext_hook: Callable[[int, bytes], Any] | None
    """Makes values of msgpack's extension types."""

    # Of what is above peers.
    connected: Callable[[P], None]
    """Lets in a peer that was accepted, or refuses it."""
    received: Callable[[P, bytes, int], None]
    """Takes frames (complete, so many messages) that a peer sent, in their turn."""
    half_closed: Callable[[P], None]
    """Is told that a peer ended its stream."""
    disconnected: Callable[[P], None]
    """Is told that a peer's connection is gone."""
    pacing: Pacer[P]
    check_memory: Callable[[], None]
    """Adds up what is held for all peers, and closes some if it is too much."""
    slow: Container[P]
    """Peers that have been far behind for a long time."""
    unread: Unread
    number: Callable[[], int]
    """Gives an id that no peer has had."""
    losses: Losses
    """Messages of the connected peers that others did not get."""
    listening: LocalPeers[P]

    # Made with the hub.
    channels: Channels[Any] = field(init=False)

    @property
    def call_threadsafe(self) -> Callable[..., object]:
        """Calls a function in the server's loop, from another thread."""
        return self.clock.call_threadsafe

    def listen(self, channel: Channel[P]) -> Any:
        """Listen to `channel` within this process. Raises RuntimeError unless the server runs."""
        return self.listening.listen(self, channel)
