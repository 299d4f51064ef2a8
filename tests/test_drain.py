"""The end of a server: peers take what is pending, for a while."""

from __future__ import annotations

import asyncio
from typing import Any

from conftest import Run
from support.accepted import Client, peer_of, until

from fastserver import CloseReason, Config, Server


def config(**settings: Any) -> Config:
    return Config(**{"port": 0, "drain_timeout": 0.0, "log_messages": 0, **settings})


def test_stop_drains_what_is_pending(run: Run) -> None:
    async def main() -> None:
        server = Server(config(max_pending=64 << 20, drain_timeout=20.0))
        await server.start()
        late, sender = await Client.connect(server), await Client.connect(server)
        late.stop_reading()
        sent = b"".join(b"%08d\n" % number for number in range(1_000_000))
        await sender.send(sent)
        await until(lambda: peer_of(server, 0).figures().offered_bytes == len(sent))
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        await sender.send(b"too late\n")  # thrown away
        late.read_on()
        assert await late.end() == sent
        for client in (late, sender):
            await client.close()
        await stopping
        assert not server.peers
        assert server.peers.dropped[CloseReason.SHUTDOWN] == 0
        assert server.peers.totals().messages_in == 1_000_000

    run(main())


def test_stop_does_not_wait_for_a_stuck_peer(run: Run) -> None:
    async def main() -> None:
        server = Server(config(max_pending=64 << 20))
        await server.start()
        stuck, sender = await Client.connect(server), await Client.connect(server)
        stuck.stop_reading()
        sent = b"x" * 999_999 + b"\n"
        for _ in range(12):
            await sender.send(sent)
        await until(lambda: peer_of(server, 0).figures().offered_messages == 12)
        await server.stop()
        figures = {one.id: one for one in server.peers.closed}[1]
        assert figures.reason == CloseReason.SHUTDOWN
        assert figures.dropped_messages
        assert figures.offered_messages == figures.messages_out + figures.dropped_messages == 12
        stuck.reset()

    run(main())
