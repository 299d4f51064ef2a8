"""Sends a batch to all who keep up: beneath their transports, where that is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastserver.compiled import COMPILED

__all__ = ["send_all"]

if TYPE_CHECKING:
    from asyncio import WriteTransport
    from collections.abc import Sequence

    from fastserver.fanout.member import Member


def send_all(ready: dict[Member, WriteTransport], blob: bytes) -> Sequence[tuple[Member, int]]:
    """Send `blob` to each of `ready` that has a `descriptor`, without what is its own. None of them may have anything
    else to take.

    The members that did not take all that is theirs, each with how many bytes it took, so that its link passes on the
    rest, or with the negative error number of a send that failed. This one, which stands in for the compiled one, sends
    nothing.
    """
    return [(member, 0) for member in ready]


if not TYPE_CHECKING and COMPILED:
    from fastserver.fanout._sending import send_all
