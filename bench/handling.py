"""Servers that call a Python function for each line they hear: `python handling.py NAME`. The function does nothing;
in those of a name with `payloads` it looks at the payload, in `fastserver broadcast` it broadcasts the message.

Each says where it listens, and serves until it is terminated.
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


async def by_hand(streams: bool) -> None:
    if streams:
        server: Any = await asyncio.start_server(hear, "127.0.0.1", 0)
    else:
        server = await asyncio.get_running_loop().create_server(Split, "127.0.0.1", 0)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def fastserver(kind: str) -> None:
    server = Server(Config(port=0, half_close_timeout=0.0, drain_timeout=0.0, log_messages=0))
    if kind.startswith("lists"):
        server.on_messages(payloads if kind == "lists payloads" else nothing)
    else:
        server.on_message({"": nothing, "payloads": payload, "broadcast": Message.broadcast}[kind])
    server.run()


if __name__ == "__main__":
    name = sys.argv[1]
    if name.startswith("fastserver"):
        fastserver(name.partition(" ")[2])
    else:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        uvloop.run(by_hand(streams=name == "streams"))
