"""Clients with the other end of their connection as a plain socket, so that a test can have things happen there which
the client does not know of yet."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from fastserver.client.blocking import BlockingClient
from fastserver.client.client import Client

TIMEOUT = 30.0
"""Seconds that a call of the plain socket may take."""


@contextmanager
def _listening(path: Path | None, receive_buffer: int) -> Iterator[tuple[str, socket.socket]]:
    """An address, and the socket that listens there."""
    with socket.socket(socket.AF_INET if path is None else socket.AF_UNIX) as listening:
        if receive_buffer:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listening.bind(("127.0.0.1", 0) if path is None else str(path))
        listening.listen()
        yield f"unix:{path}" if path else f"127.0.0.1:{listening.getsockname()[1]}", listening


def _accept(listening: socket.socket) -> socket.socket:
    theirs, _ = listening.accept()
    theirs.settimeout(TIMEOUT)
    return theirs


@asynccontextmanager
async def both_ends(
    path: Path | None = None, receive_buffer: int = 0, **options: Any
) -> AsyncIterator[tuple[Client, socket.socket]]:
    """An entered client with these options, and the other end of its connection: TCP, or the Unix socket at `path`."""
    with _listening(path, receive_buffer) as (address, listening):
        async with Client(address, **options) as client:
            with _accept(listening) as theirs:
                yield client, theirs


@contextmanager
def both_blocking_ends(receive_buffer: int = 0, **options: Any) -> Iterator[tuple[BlockingClient, socket.socket]]:
    """A blocking client with these options, and the other end of its connection."""
    with (
        _listening(None, receive_buffer) as (address, listening),
        BlockingClient(address, **options) as client,
        _accept(listening) as theirs,
    ):
        yield client, theirs


def read_to_end(sock: socket.socket) -> bytes:
    """Everything that arrives on `sock`, to the end of the stream."""
    with sock.makefile("rb") as stream:
        return stream.read()
