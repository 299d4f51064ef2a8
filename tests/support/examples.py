"""Talking to an example, line by line."""

from __future__ import annotations

from collections.abc import Callable

from support.connection import Connection

Start = Callable[[str], int]
"""Starts the example of that name, gives its port."""

Connect = Callable[[int], Connection]
"""Connects to that port."""


def says(connection: Connection, *lines: str) -> None:
    connection.send("".join(f"{line}\n" for line in lines).encode())


def hears(connection: Connection, *lines: str) -> None:
    """Exactly these come next."""
    assert [connection.read_line().decode() for _ in lines] == [f"{line}\n" for line in lines]
