"""A server in a thread, for the tests of the blocking client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def threaded_server(serve: Callable[[socket.socket], object], path: str | None = None, times: int = 1) -> Iterator[str]:
    """A server that calls `serve` for the connection it accepts, then closes it, so many `times`; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0)) if path is None else socket.socket(socket.AF_UNIX)
    if path is not None:
        listening.bind(path)
        listening.listen()

    def run() -> None:
        for _ in range(times):
            peer, _ = listening.accept()
            with peer:
                peer.settimeout(30)
                serve(peer)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"unix:{path}" if path else f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        thread.join()
        listening.close()


def echo(peer: socket.socket) -> None:
    """Sends everything back to the client's end of stream."""
    while data := peer.recv(65536):
        peer.sendall(data)
