"""Peers over their rates, over real sockets."""

from __future__ import annotations

import asyncio
import select
from typing import Any

import pytest
from conftest import Run
from support.accepted import Client, peer_of, until

from fastserver import CloseReason, Config, Server


def config(**settings: Any) -> Config:
    return Config(**{"port": 0, "drain_timeout": 0.0, "log_messages": 0, **settings})


def test_peer_over_its_rate_is_read_to_its_end(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_bytes_per_second=1_000_000, burst=0.1)) as server:
            sender, other = await Client.connect(server), await Client.connect(server)
            sent = b"".join(b"%08d\n" % number for number in range(100_000))
            await asyncio.gather(sender.send(sent), other.receive(1))
            sender.writer.write_eof()
            assert await other.receive(len(sent) - 1) == sent[1:]
            assert server.peers.throttled["max_bytes_per_second"]
            assert peer_of(server, 0).reason is None

    run(main())


@pytest.mark.skipif(not hasattr(select, "poll"), reason="the system cannot tell")
def test_reset_of_a_peer_that_is_not_read(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_messages_per_second=1)) as server:
            sender, other = await Client.connect(server), await Client.connect(server)
            await sender.send(b"x\n" * 1000)
            assert await other.receive(2000) == b"x\n" * 1000
            sender.reset()
            await until(lambda: len(server.peers) == 1)
            assert server.peers.closed[-1].reason == CloseReason.RESET

    run(main())
