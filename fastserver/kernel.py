"""Facts that the kernel knows of a connection, asked by its descriptor. Where a system does not tell, they are 0."""

from __future__ import annotations

import socket
import struct
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

if sys.platform != "win32":
    import fcntl
    import termios

TCP_INFO_SIZE: Final = 104
"""Bytes of a `struct tcp_info` that we read; Linux has had that many since 2.6."""

SO_MEMINFO: Final = 55
MEMINFO: Final = struct.Struct("6I")
"""The first fields of what SO_MEMINFO tells: read, limit, sent, limit, set aside, queued."""


def unacknowledged(descriptor: int) -> int:
    """Bytes the kernel holds for the socket `descriptor` that the other system has not acknowledged; for a Unix socket
    those its peer has not read, with the kernel's overhead. 0 where it cannot be told (SIOCOUTQ of tcp(7))."""
    return _number(descriptor, termios.TIOCOUTQ) if sys.platform == "linux" else 0


def _number(descriptor: int, request: int) -> int:
    """The answer of the kernel to `request` for `descriptor` (ioctl); 0 if there is none."""
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
    """The kernel's facts about the connection behind `descriptor`, as a `struct tcp_info` of linux/tcp.h; empty where
    they cannot be told."""
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
