"""Servers whose log tells a test nothing."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from support.connection import Connection
from support.deadline import DEADLINE


def connect_to(path: Path) -> Connection:
    """A connection to a server that does not say when it listens: tried until it does."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return Connection(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def exchange(port: int, count: int) -> None:
    """Have one peer send that many lines, and another get them all."""
    address = ("127.0.0.1", port)
    with contextlib.closing(Connection(address)) as reader, contextlib.closing(Connection(address)) as sender:
        reader.send(b"ready\n")
        assert sender.read_line() == b"ready\n"  # so both are connected
        lines = b"".join(b"line %d, long enough to fill a pipe in time\n" % number for number in range(count))
        sender.send(lines)
        assert reader.read(len(lines)) == lines
