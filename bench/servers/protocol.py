"""A relay as an asyncio protocol on uvloop, as it is usually written: `python protocol.py PORT`.

What a read brought goes to all others with one `write`, wherever it ends: messages of two senders can get mixed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop

transports: set[Any] = set()


class Relay(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transports.add(transport)

    def data_received(self, data: bytes) -> None:
        for transport in transports:
            if transport is not self.transport:
                transport.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        transports.discard(self.transport)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Relay, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
