"""Listeners: the addresses we accept on, and the sockets behind them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastserver.errors import ListenError
from fastserver.process import descriptors

if TYPE_CHECKING:
    from fastserver.config.listener import Listener

BACKLOG: Final = 4096
"""Connections that may wait to be accepted; the kernel takes the lesser of this and net.core.somaxconn."""

ACCEPTS: Final = 16
"""Connections that uvloop accepts on one address in a turn of its loop. By itself it accepts one, so that a server
whose every turn is long, since it has thousands of peers, would let in a few a second. Each costs a descriptor."""

ACCEPTS_PART: Final = 8
"""All of these together take at most one part in so many of the descriptors there are."""

PROBES: Final = 3
"""Unanswered keepalive probes after which a connection is dead."""

NOT_SENT: Final = 16 * 1024
"""Bytes that may wait in the kernel unsent for a peer that wants the newest (TCP_NOTSENT_LOWAT)."""

LOCKED: Final = 5.0
"""Seconds to wait for a folder that another program has locked."""

SocketOption = tuple[str, int]
"""Its name in `socket`, and its value."""


class Listeners:
    """All that one server accepts on."""

    def __init__(self) -> None:
        self.open_at: list[tuple[str, Listener]] = []
        """Where we accept, as text (`127.0.0.1:3000`, `unix:/run/feed.sock`), and for which listener."""
        self._servers: list[asyncio.AbstractServer] = []
        self._unix: list[tuple[str, tuple[int, int]]] = []

    async def open(
        self,
        listeners: Iterable[Listener],
        options: Iterable[SocketOption],
        protocol: Callable[[Listener], asyncio.Protocol],
    ) -> None:
        """Accept on all of `listeners`, with a new `protocol` for each connection. Raises `ListenError`.

        `options` are for TCP connections.
        """
        loop = asyncio.get_running_loop()
        unopened: list[tuple[Listener, socket.socket]] = []
        try:
            for listener in listeners:
                if listener.path is not None:
                    unopened.append((listener, listen_unix(listener.path)))
                    self._unix.append((listener.path, _inode(listener.path)))
                else:
                    sockets = listen_tcp(listener.host, listener.port)
                    unopened += [(listener, one) for one in sockets]
                    for one in sockets:
                        set_options(one, options)
            again = _again(loop, len(unopened))
            for listener, listening in unopened:
                unix = listener.path is not None
                address = f"unix:{listener.path}" if unix else show_address(listening.getsockname())
                create: Any = loop.create_unix_server if unix else loop.create_server
                for one in (listening, *(listening.dup() for _ in range(again))):
                    self._servers.append(await create(partial(protocol, listener), sock=one, backlog=BACKLOG))
                self.open_at.append((address, listener))
            descriptors.check_peer()
        except BaseException as error:
            self.close()
            for _, listening in unopened:
                listening.close()
            self.open_at.clear()
            if isinstance(error, OSError):
                few = error.errno == errno.EMFILE
                raise descriptors.too_few() if few else ListenError(f"cannot listen: {_why(error)}") from None
            raise

    def close(self) -> None:
        """Accept no more, and remove the Unix socket files."""
        for path, inode in self._unix:
            remove_unix(path, inode)
        self._unix.clear()
        for server in self._servers:
            server.close()
        self._servers.clear()


def _again(loop: asyncio.AbstractEventLoop, listeners: int) -> int:
    """How often again uvloop needs each of so many listening sockets to accept several in a turn; other loops take
    many by themselves.
    """
    if not type(loop).__module__.startswith("uvloop"):
        return 0
    return max(1, min(ACCEPTS, descriptors.ceiling() // ACCEPTS_PART // max(1, listeners))) - 1


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
        raise ListenError(f"cannot listen on {show_address((host, port))}: {_why(error)}") from None
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


def keep_alive(idle: int | None) -> list[SocketOption]:
    """What has TCP probe a connection after `idle` seconds of silence, not at all if None."""
    if idle is None:
        return []
    # Three probes at a third of the time each, as Redis does: the dead are known after twice the time.
    return [
        ("SO_KEEPALIVE", 1),
        ("TCP_KEEPIDLE", idle),
        ("TCP_KEEPALIVE", idle),  # the same on macOS
        ("TCP_KEEPINTVL", max(1, idle // PROBES)),
        ("TCP_KEEPCNT", PROBES),
    ]


def set_options(listening: socket.socket, options: Iterable[SocketOption]) -> None:
    """Set `options`, as far as the system has them, for what `listening` accepts.

    Accepted sockets inherit them, so that it costs nothing at accept (as with nginx' so_keepalive).
    """
    for name, value in options:
        if hasattr(socket, name):
            level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
            listening.setsockopt(level, getattr(socket, name), value)


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
        raise ListenError(f"cannot listen on unix:{path}: {_why(error)}") from None
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
    """Whether `path` is a socket file that no process listens on."""
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a live server with a full backlog would make connect wait
        return probe.connect_ex(path) == errno.ECONNREFUSED


def remove_unix(path: str, inode: tuple[int, int]) -> None:
    """Remove the socket file at `path` if it is still the one with that device and inode.

    To be called while its socket listens: a stale file may be replaced, and the number of an inode given anew.
    """
    with contextlib.suppress(OSError):
        if _inode(path) == inode:
            os.unlink(path)


def _inode(path: str) -> tuple[int, int]:
    """Device and inode of the file at `path`. Raises `OSError`."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def host_of(address: Any) -> str:
    """The host of a socket address, with its zone: Python tells that as a number apart, and as it is called in none."""
    host = str(address[0])
    if len(address) < 4 or not address[3] or "%" in host:
        return host
    try:
        return f"{host}%{socket.if_indextoname(address[3])}"
    except OSError:  # the interface is gone
        return f"{host}%{address[3]}"


def show_address(address: Any) -> str:
    """A socket address as text: `127.0.0.1:3000`, `[::1]:3000`, `[fe80::1%eth0]:3000`; IPv4-mapped ones as IPv4."""
    host, port = host_of(address), address[1]
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "not a host name"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text[:1].lower() + text[1:]
