"""Servers that call a Python function for each line they hear: `python handling.py PORT NAME`. The function does
nothing; in those of a name with `payload` it looks at the payload, in `broadcast` it broadcasts the message.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Any

import uvloop

from fastserver import Config, Message, Server


def nothing(message: object) -> None:
    """The handler."""


def payload(message: Message) -> None:
    """The handler that looks at the payload."""
    _ = message.payload


def payloads(messages: Sequence[Message]) -> None:
    """The same for messages that come together."""
    for message in messages:
        _ = message.payload


class Split(asyncio.Protocol):
    """A protocol by hand: `bytes.split`, and the function called with each line."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            nothing(line)

    def eof_received(self) -> None:
        self.transport.write(b".")


async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """`asyncio.start_server` and `readline`."""
    while line := await reader.readline():
        nothing(line)
    writer.write(b".")
    writer.close()


async def by_hand(port: int, streams: bool) -> None:
    if streams:
        server: Any = await asyncio.start_server(hear, "127.0.0.1", port)
    else:
        server = await asyncio.get_running_loop().create_server(Split, "127.0.0.1", port)
    await server.serve_forever()


def fastserver(port: int, name: str) -> None:
    server = Server(Config(port=port, half_close_timeout=0.0, drain_timeout=0.0, quiet=True))
    if name.startswith("on_messages"):
        server.on_messages(payloads if name.endswith("payload") else nothing)
    elif name.startswith("on_message"):
        server.on_message(payload if name.endswith("payload") else nothing)
    else:
        server.on_message(Message.broadcast)
    server.run()


if __name__ == "__main__":
    port, name = int(sys.argv[1]), sys.argv[2]
    if name in ("readline", "bytes.split"):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        uvloop.run(by_hand(port, streams=name == "readline"))
    else:
        fastserver(port, name)
