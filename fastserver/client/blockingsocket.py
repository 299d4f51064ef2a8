"""A plain socket to a server, used by a program that waits, with deadlines of the monotonic clock (seconds)."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from ssl import SSLContext
from typing import Final

from fastserver.client.address import Address
from fastserver.client.connection import keep_alive

CHUNK: Final = 64 * 1024  # bytes read at once


def limited(seconds: float | None) -> float | None:
    """`seconds` as a socket takes a timeout; None is none. 0 would make a socket non-blocking, whose errors differ."""
    return None if seconds is None or seconds == float("inf") else max(1e-6, seconds)


def left(deadline: float | None) -> float | None:
    """Seconds to `deadline`, as a socket takes them."""
    return limited(None if deadline is None else deadline - time.monotonic())


def check(deadline: float | None) -> None:
    """Raises TimeoutError once the deadline has passed."""
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError("timed out")


def receive(sock: socket.socket, deadline: float | None) -> bytes:
    """The next bytes that arrive, b"" at the end of the stream. Raises TimeoutError, without a number, if none do."""
    sock.settimeout(left(deadline))
    return sock.recv(CHUNK)


def has_ended(sock: socket.socket) -> bool:
    """True if the server has ended its side of the connection, though nobody has read that far."""
    if not hasattr(select, "poll") or not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def connected(address: Address, timeout: float | None) -> socket.socket:
    """A new connection to `address`."""
    if address.path is None:
        return socket.create_connection((address.host, address.port), timeout)
    made = socket.socket(socket.AF_UNIX)
    try:
        made.settimeout(timeout)
        made.connect(address.path)
    except BaseException:
        made.close()
        raise
    return made


def prepared(address: Address, timeout: float | None, tls: SSLContext | None, hostname: str | None) -> socket.socket:
    """A new connection to `address` that sends at once, notices a server that vanished, and has shaken hands in TLS."""
    made = connected(address, timeout)
    try:
        keep_alive(made)
        if made.family != getattr(socket, "AF_UNIX", None):
            with suppress(OSError):  # some systems refuse for a connection that was reset already
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            # An end that TLS does not confirm is an error here, so that it can be told from the end of a stream.
            made = tls.wrap_socket(made, server_hostname=hostname, suppress_ragged_eofs=False)
    except BaseException:
        made.close()
        raise
    return made
