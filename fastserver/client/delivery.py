"""The delivery of a client's messages: how much of them the server has, as far as this system can tell."""

from __future__ import annotations

import socket
import sys
from typing import Final, Protocol

from fastserver.config.setting import MIB
from fastserver.kernel import unacknowledged

_ENDED: Final = frozenset({5, 6, 7})  # FIN_WAIT2, TIME_WAIT, CLOSE of tcp_states.h: our end of stream is acknowledged
_CLOSED: Final = 7

# The server's program may still have to read what its system has; and a program that writes to a connection which is
# gone may read no further. So it gets the time to read as much as its system can hold.
GRACE: Final = 0.05  # seconds for a program to come round
READ_RATE: Final = 16 * MIB  # bytes a second that it reads at least
HELD: Final = 8 * MIB  # bytes that its system holds at most: a little more than Linux does by default

FIRST_LOOK: Final = 0.001  # seconds between looks at what was acknowledged, which nothing tells of
LONGEST_LOOK: Final = 0.05


class Socket(Protocol):
    """A socket, or the part of one that an event loop shows."""

    @property
    def family(self) -> int: ...

    def fileno(self) -> int: ...

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


def arrived(sock: Socket, ended: bool = True) -> bool:
    """True if the server's system has all that was sent on `sock`, and our end of stream if that was `ended`.

    True also where that cannot be told, and for a Unix socket, whose bytes are there once they are written.
    """
    if not _tells(sock):
        return True
    return not unacknowledged(sock.fileno()) and (_state(sock) in _ENDED or not ended)


def missing(sock: Socket) -> int:
    """Bytes sent on `sock` that the server's system has not acknowledged; 0 where that cannot be told."""
    if not _tells(sock):
        return 0
    return max(0, unacknowledged(sock.fileno()) - (_state(sock) not in (1, 8)))  # less our end of stream, one byte


def read(sock: Socket) -> bool:
    """True if the server's program has read all that was sent on `sock`; only a Unix socket can tell."""
    return sys.platform == "linux" and not _is_tcp(sock) and sock.fileno() >= 0 and not unacknowledged(sock.fileno())


def broken(sock: Socket) -> bool:
    """True if the connection went before all that was sent on `sock` had arrived."""
    return _tells(sock) and _state(sock) == _CLOSED and unacknowledged(sock.fileno()) > 0


def patience(sock: Socket, sent: int, ago: float, linger: float) -> float:
    """Seconds to stay, `linger` at most, now that all `sent` bytes arrived, the last of them `ago` seconds before."""
    if not _tells(sock):
        return linger
    return 0.0 if ago >= linger else min(linger, GRACE + min(sent, HELD) / READ_RATE)


def _is_tcp(sock: Socket) -> bool:
    return sock.family in (socket.AF_INET, socket.AF_INET6)


def _tells(sock: Socket) -> bool:
    return sys.platform == "linux" and _is_tcp(sock) and sock.fileno() >= 0


def _state(sock: Socket) -> int:
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError:
        return 0
