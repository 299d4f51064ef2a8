"""File descriptors: as many as the system allows, some kept in reserve, and who has to go when they run out.

A new socket gets the lowest free number, so the number itself tells how full the table is. The reserve matters
because at the very limit libuv accepts and closes connections without telling anyone.
"""

from __future__ import annotations

import os
import select
import sys
from array import array
from typing import Final

if sys.platform != "win32":
    import fcntl
    import resource
    import termios

RESERVE: Final = 64
"""Descriptors no peer may take: they serve the log, name look-ups, and the next accept."""


def fill_standard() -> None:
    """Open what is closed of standard input, output and error, on the null device.

    A socket that got one of their numbers would be taken for them: libuv aborts when it closes it, and the log
    would be written to it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def raise_limit() -> None:
    """Raise the soft descriptor limit of this process to the hard one."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            except (OSError, ValueError):  # macOS refuses "unlimited"; the soft limit then stays
                return


def broken(descriptor: int) -> bool:
    """Whether the connection behind `descriptor` is gone, though nobody reads it. False where it cannot be told."""
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(descriptor, 0)  # for errors alone, which are always told
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def unacknowledged(descriptor: int) -> int:
    """Bytes the kernel holds for the socket `descriptor` that the other system has not acknowledged; for a Unix socket
    those its peer has not read, with the kernel's overhead. 0 where it cannot be told (SIOCOUTQ of tcp(7))."""
    if sys.platform != "linux":
        return 0
    answer = array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.TIOCOUTQ, answer)
    except OSError:
        return 0
    return answer[0]


def ceiling() -> int:
    """The descriptor number from which on peers are refused."""
    if sys.platform == "win32":
        return sys.maxsize
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return soft - min(RESERVE, soft // 4)
