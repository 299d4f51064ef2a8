"""The end of a blocking client's connection, without loss of what was sent."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLSocket

from fastserver.client import blockingsocket, delivery
from fastserver.client.failure import reset


def leave(sock: socket.socket, ended: bool, sent: int, sent_at: float, within: float, linger: float) -> None:
    """Half-closes, and reads and throws away until the server has all, for `within` seconds at most.

    Then it has up to `linger` seconds to read that. `sent` bytes were sent, the last of them at `sent_at` (monotonic
    time); `ended` tells that the server has ended its side. Raises TimeoutError if the server did not take all in
    time, ConnectionError if the connection broke.
    """
    if isinstance(sock, SSLSocket):
        with suppress(OSError):
            sock.settimeout(linger)
            sock.unwrap()
        return
    with suppress(OSError):  # reading says why
        sock.shutdown(socket.SHUT_WR)
    waste = _Waste(sock, ended)
    # A reset is told to one call alone, but missing bytes give it away too.
    if not waste.read_until(lambda: delivery.arrived(sock) or delivery.broken(sock), within):
        missing = delivery.missing(sock)
        if missing:
            raise TimeoutError(f"the server did not take the last {missing} bytes within {within:g} s")
    if delivery.broken(sock):
        raise reset()
    stay = delivery.patience(sock, sent, time.monotonic() - sent_at, linger)
    waste.read_until(lambda: waste.ended or delivery.read(sock), stay)


class _Waste:
    """Bytes that arrive and are thrown away, since unread ones would make closing reset the connection."""

    def __init__(self, sock: socket.socket, ended: bool) -> None:
        self.ended = ended
        self._socket = sock

    def read_until(self, enough: Callable[[], bool], seconds: float) -> bool:
        """Reads until `enough()`; False if so many seconds were not enough. Raises ConnectionError."""
        deadline = time.monotonic() + seconds
        look = delivery.FIRST_LOOK
        while not enough():
            if time.monotonic() >= deadline:
                return False
            if self.ended:
                time.sleep(look)
            else:
                with suppress(TimeoutError):
                    self.ended = not blockingsocket.receive(self._socket, min(deadline, time.monotonic() + look))
            look = min(2 * look, delivery.LONGEST_LOOK)
        return True
