"""The parts that decide what fan-out may hold and whom it waits for, as far as it depends on them.

`P` is the class of the peers.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

P_contra = TypeVar("P_contra", contravariant=True)


class Policy(Protocol[P_contra]):
    """Deals with peers that are further behind than their limit."""

    def meet(self, peer: P_contra, /) -> object:
        """Deal with `peer`, which is over the limit."""

    def caught_up(self, peer: P_contra, /) -> object:
        """Know that `peer` is behind no more."""


class Pacing(Protocol[P_contra]):
    """Slows senders to the speed of readers."""

    def watch(self, peer: P_contra, /) -> object:
        """Wait for `peer`, which is behind and has just taken something."""

    def forget(self, peer: P_contra, /) -> object:
        """Wait no longer for `peer`."""


class Brake(Protocol[P_contra]):
    """Pauses the reading of peers that send too much. It stands in `Tick.brakes` while it is active."""

    def after_read(self, peer: P_contra, size: int, messages: int) -> object:
        """Pause the reading of `peer`, if there is cause: `size` bytes were read that completed so many messages."""


class Memory(Protocol):
    """Limits what is held for all peers."""

    def check(self) -> object:
        """Add up what is held, and have less held if it is too much."""
