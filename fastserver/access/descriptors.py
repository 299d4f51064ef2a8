"""The file descriptors that there are for peers: all but a reserve.

A new socket gets the lowest free number, so the number itself tells how full the table is. The reserve matters
because at the very limit libuv accepts and closes connections without telling anyone.
"""

from __future__ import annotations

import socket
import sys
from typing import Final

from fastserver.errors import ListenError

if sys.platform != "win32":
    import resource

RESERVE: Final = 64
"""Descriptors that no peer may take: they serve the log, name look-ups, and the next accept."""

LOOP_DESCRIPTORS: Final = 12
"""Descriptors of an event loop, uvloop's at most, and of one accept."""


def limit() -> int | None:
    """The number of descriptors that this process may have; None if nothing limits them."""
    if sys.platform == "win32":
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def ceiling() -> int:
    """The descriptor number from which on peers are refused."""
    most = limit()
    return sys.maxsize if most is None else most - min(RESERVE, most // 4)


def lowest_free() -> int:
    """The number that the next descriptor gets; the limit if all are taken."""
    if sys.platform == "win32":
        return 0
    try:
        with socket.socket() as probe:
            return probe.fileno()
    except OSError:
        return limit() or 0


def check_loop(listeners: int) -> None:
    """Raise `ListenError` where an event loop, so many listeners and a peer cannot have a descriptor each."""
    # A loop that cannot have its own aborts, or leaves its coroutine unawaited.
    if lowest_free() + LOOP_DESCRIPTORS + listeners > ceiling():
        raise too_few()


def check_peer() -> None:
    """Raise `ListenError` where no peer would be let in, since all descriptors are taken."""
    if lowest_free() >= ceiling():
        raise too_few()


def too_few() -> ListenError:
    """The error for too few descriptors to run with."""
    return ListenError(f"cannot listen: a limit of {limit()} file descriptors (ulimit -n) leaves none for peers")
