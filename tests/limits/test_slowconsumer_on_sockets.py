"""Peers that are behind, over real sockets."""

from __future__ import annotations

from typing import Any

from conftest import Run
from support.accepted import Client, peer_of, until

from fastserver import CloseReason, Config, Server


def config(**settings: Any) -> Config:
    return Config(**{"port": 0, "drain_timeout": 0.0, "log_messages": 0, **settings})


def test_slow_consumer_is_closed_and_the_others_get_everything(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_pending=1 << 20)) as server:
            stuck, sender, healthy = [await Client.connect(server) for _ in range(3)]
            stuck.stop_reading()
            total = 0
            message = b"x" * 65_535 + b"\n"
            while len(server.peers) == 3:
                await sender.send(message)
                assert await healthy.receive(len(message)) == message
                total += 1
            figures = server.peers.closed[-1]
            assert figures.reason == CloseReason.SLOW_CONSUMER
            assert figures.dropped_bytes > 1 << 20
            assert figures.offered_messages == figures.messages_out + figures.dropped_messages
            assert not server.tick.behind
            await until(lambda: peer_of(server, 1).figures().messages_out == total)
            stuck.reset()

    run(main())


def test_peer_that_falls_behind_and_reads_again_gets_everything(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_pending=64 << 20)) as server:
            late, sender = await Client.connect(server), await Client.connect(server)
            late.stop_reading()
            sent = b"".join(b"%08d\n" % number for number in range(3_000_000))
            await sender.send(sent)
            await until(lambda: peer_of(server, 0).figures().offered_bytes == len(sent))
            assert peer_of(server, 0) in server.tick.behind
            late.read_on()
            assert await late.receive(len(sent)) == sent
            await until(lambda: not server.tick.behind)
            await sender.send(b"and on\n")
            assert await late.receive(7) == b"and on\n"
            figures = peer_of(server, 0).figures()
            assert (figures.messages_out, figures.pending_messages) == (3_000_001, 0)

    run(main())
