"""File descriptors: as many as the system allows, some kept in reserve, and who has to go when they run out.

A new socket gets the lowest free number, so the number itself tells how full the table is. The reserve matters
because at the very limit libuv accepts and closes connections without telling anyone.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fastserver.errors import ListenError

if sys.platform != "win32":
    import fcntl
    import resource
    import termios

TCP_INFO_SIZE: Final = 104
"""Bytes of a `struct tcp_info` that are looked at; Linux has had that many since 2.6."""

SO_MEMINFO: Final = 55
MEMINFO: Final = struct.Struct("6I")
"""The first fields of what SO_MEMINFO tells: read, limit, sent, limit, set aside, queued."""

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
    return _number(descriptor, termios.TIOCOUTQ) if sys.platform == "linux" else 0


def _number(descriptor: int, request: int) -> int:
    """What the kernel answers to `request` for `descriptor` (ioctl); 0 if nothing."""
    if sys.platform == "win32":
        return 0
    answer = array("i", [0])
    try:
        fcntl.ioctl(descriptor, request, answer)
    except OSError:
        return 0
    return answer[0]


@contextmanager
def borrowed(descriptor: int) -> Iterator[socket.socket]:
    """A socket object for `descriptor`, which stays open. Its family does not matter to what it is used for here."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    try:
        yield sock
    finally:
        sock.detach()


def kernel_memory(descriptor: int) -> int:
    """Bytes of memory that the kernel holds of what was sent to the socket `descriptor`, with its overhead: what waits
    to be sent or acknowledged (SO_MEMINFO, linux/sock_diag.h). 0 where it cannot be told.
    """
    if sys.platform != "linux":
        return 0
    try:
        with borrowed(descriptor) as sock:
            told = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size)
    except OSError:
        return 0
    _, _, sent, _, _, queued = MEMINFO.unpack(told)  # a Unix socket counts as sent what its peer has not read
    return int(max(sent, queued))


def tcp_info(descriptor: int) -> bytes:
    """What the kernel knows of the connection behind `descriptor`, as a `struct tcp_info` of linux/tcp.h; empty where
    it cannot be told."""
    if sys.platform != "linux":
        return b""
    try:
        with borrowed(descriptor) as sock:
            return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    except OSError:  # no TCP, or not connected any more
        return b""


def silence(descriptor: int) -> float:
    """Seconds since anything came on the TCP connection behind `descriptor`; 0 if something that came has not been read
    yet, or where it cannot be told."""
    if sys.platform != "linux" or descriptor < 0 or _number(descriptor, termios.FIONREAD):
        return 0.0
    info = tcp_info(descriptor)
    return int.from_bytes(info[52:56], sys.byteorder) / 1000  # tcpi_last_data_recv


def ceiling() -> int:
    """The descriptor number from which on peers are refused."""
    most = limit()
    return sys.maxsize if most is None else most - min(RESERVE, most // 4)
