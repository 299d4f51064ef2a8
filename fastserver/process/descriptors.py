"""File descriptors: as many as the system allows, some kept in reserve, and who has to go when they run out.

A new socket gets the lowest free number, so the number itself tells how full the table is. The reserve matters
because at the very limit libuv accepts and closes connections without telling anyone.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Final

from fastserver.errors import ListenError

if sys.platform != "win32":
    import resource

RESERVE: Final = 64
"""Descriptors no peer may take: they serve the log, name look-ups, and the next accept."""


LOOP: Final = 12
"""Descriptors of an event loop, uvloop's at most, and of one accept."""


def fill_standard() -> None:
    """Open what is closed of standard input, output and error: on the null device, or, where there is none, on a pipe
    with nobody at its other end.

    A socket that got one of their numbers would be taken for them: libuv aborts when it closes it, and the log
    would be written to it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _fill(number)


def _fill(number: int) -> None:
    try:
        ends = [os.open(os.devnull, os.O_RDWR)]
    except OSError:  # a bare chroot or container
        ends = list(os.pipe())
    kept = ends[0] if number == 0 else ends[-1]
    if kept != number:
        os.dup2(kept, number)
    for end in ends:
        if end != number:
            os.close(end)


def raise_limit() -> None:
    """Raise the soft descriptor limit of this process to the hard one."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            except (OSError, ValueError):  # macOS refuses "unlimited"; the soft limit then stays
                return


def limit() -> int | None:
    """Descriptors this process may have; None if nothing limits them."""
    if sys.platform == "win32":
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def check_loop(listeners: int) -> None:
    """Raise `ListenError` where an event loop, so many listeners and a peer cannot have a descriptor each."""
    # A loop that cannot have its own aborts, or leaves its coroutine unawaited.
    if lowest_free() + LOOP + listeners > ceiling():
        raise too_few()


def check_peer() -> None:
    """Raise `ListenError` where no peer would be let in, since all descriptors are taken."""
    if lowest_free() >= ceiling():
        raise too_few()


def too_few() -> ListenError:
    """The error that says that there are not enough descriptors to run with."""
    return ListenError(f"cannot listen: a limit of {limit()} file descriptors (ulimit -n) leaves none for peers")


def lowest_free() -> int:
    """The number the next descriptor gets; what the limit is if all are taken."""
    if sys.platform == "win32":
        return 0
    try:
        with socket.socket() as probe:
            return probe.fileno()
    except OSError:
        return limit() or 0


def ceiling() -> int:
    """The descriptor number from which on peers are refused."""
    most = limit()
    return sys.maxsize if most is None else most - min(RESERVE, most // 4)
