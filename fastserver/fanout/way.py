"""The way of a peer to the kernel, as far as fan-out depends on it (see `fastserver.peers.link`)."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import WriteTransport

    from fastserver.fanout.parts import Part


class Way(Protocol):
    """The way of one peer to the kernel."""

    error: int
    """The error number of a write that failed; 0 while all is well."""

    @property
    def descriptor(self) -> int:
        """The descriptor that bytes may be sent to beneath its transport; -1: none may."""

    @property
    def transport(self) -> WriteTransport: ...

    @property
    def stuck(self) -> bool:
        """Whether it holds bytes that the kernel has not taken."""

    def write(self, parts: Sequence[Part], messages: int = ...) -> None:
        """Pass on `parts`, in which so many messages are."""

    def hold(self, parts: Sequence[Part], messages: int) -> None:
        """Know that what was written last are these parts, with so many messages."""

    def drop(self) -> None:
        """Pass on nothing more of what was written."""


def condemn(way: Way) -> None:
    """Have nothing more written to `way`: what its peer has got may end anywhere."""
    way.error = way.error or errno.ENOMEM
