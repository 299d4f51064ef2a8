"""A conversation in several framings: a server with a listener for each, and a peer of ours at each."""

from __future__ import annotations

import re

from conftest import Serve
from support.connection import Connection


class Conversation:
    """A server that listens on a TCP port for each of `modes` (words such as `length?bytes=2`), our peers let in."""

    def __init__(self, serve: Serve, *modes: str) -> None:
        self.server = serve(*[part for mode in modes for part in ("--listen", _url(mode))])
        self.ports = {
            mode: int(self.server.errors.wait_for(rf"listening on 127\.0\.0\.1:(\d+), mode {re.escape(mode)}$")[1])
            for mode in modes
        }
        self.peers = {mode: Connection(("127.0.0.1", port)) for mode, port in self.ports.items()}
        self.server.connections += self.peers.values()
        self.server.wait_for_peers(len(modes))


def read_counted(connection: Connection) -> bytes:
    """The payload of the next octet-counted message."""
    digits = b""
    while (byte := connection.read(1)) != b" ":
        assert byte.isdigit(), byte
        digits += byte
    return connection.read(int(digits))


def _url(mode: str) -> str:
    name, question, parameters = mode.partition("?")
    return f"{name}://127.0.0.1:0{question}{parameters}"
