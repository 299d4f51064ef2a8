"""Listening sockets, of TCP and of Unix."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import time
from collections.abc import Iterator
from typing import Any, Final

from fastserver.config.hostport import show_address
from fastserver.errors import ListenError

BACKLOG: Final = 4096
"""Connections that may wait to be accepted; the kernel takes the lesser of this and net.core.somaxconn."""

LOCKED: Final = 5.0
"""Seconds to wait for a folder that another program has locked."""


def listen_tcp(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for every address of `host`; port 0 takes a free one, the same for all.

    `::` listens for IPv6 and IPv4. Raises `ListenError`.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        refused: OSError | None = None
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                sockets.append(_bind_tcp(family, (str(address[0]), port, *address[2:])))
            except OSError as error:
                # A name may stand for an address that is switched off here, such as localhost for ::1.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                refused = error
            else:
                port = sockets[0].getsockname()[1]
        if refused is not None and not sockets:
            raise refused
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one
        for one in sockets:
            one.close()
        raise ListenError(f"cannot listen on {show_address((host, port))}: {why(error)}") from None
    return sockets


def _bind_tcp(family: int, address: tuple[Any, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option means to take the port from a live server
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            both = address[0] == "::"
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def listen_unix(path: str) -> socket.socket:
    """A listening Unix socket at `path`, mode 0600. A stale socket file is replaced, a live one is not.

    Raises `ListenError`.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Before bind, so that the file never has another mode (Linux); after it, for other systems.
        with contextlib.suppress(OSError):
            os.fchmod(listening.fileno(), 0o600)
        with _locked(path):
            try:
                listening.bind(path)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not _is_stale(path):
                    raise
                os.unlink(path)
                listening.bind(path)
            try:
                os.chmod(path, 0o600)
                listening.listen(BACKLOG)
            except OSError:
                os.unlink(path)
                raise
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ListenError(f"cannot listen on unix:{path}: {why(error)}") from None
    return listening


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Keep other servers from putting a socket file at `path` inside the `with`.

    Otherwise two that start at once could each find the other's file stale: bound, but nobody listens on it yet. The
    lock is on the folder, since a file for it could itself be left behind, or taken away under somebody. Raises
    `OSError` where a program keeps it for `LOCKED`.
    """
    import fcntl

    try:
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    except OSError:  # it is not there, as bind will say, or may be written but not read
        yield
        return
    try:
        deadline = time.monotonic() + LOCKED
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OSError(errno.EBUSY, "another program keeps its folder locked") from None
                time.sleep(0.005)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(folder)


def _is_stale(path: str) -> bool:
    """True if `path` is a socket file that no process listens on."""
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a live server with a full backlog would make connect wait
        return probe.connect_ex(path) == errno.ECONNREFUSED


def remove_unix(path: str, inode: tuple[int, int]) -> None:
    """Remove the socket file at `path` if it is still the one with that device and inode.

    Call it while the socket still listens: a stale file may be replaced, and its inode number used again.
    """
    with contextlib.suppress(OSError):
        if identity(path) == inode:
            os.unlink(path)


def identity(path: str) -> tuple[int, int]:
    """Device and inode of the file at `path`. Raises `OSError`."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def why(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "not a host name"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text[:1].lower() + text[1:]
