"""The server over real sockets, on uvloop and on the standard library's loop."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Run
from support.accepted import Client, peer_of, until

from fastserver import CloseReason, Config, Server


def config(**settings: Any) -> Config:
    return Config(**{"port": 0, "drain_timeout": 0.0, "log_messages": 0, **settings})


def test_everyone_else_hears_it(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            one, two, three = [await Client.connect(server) for _ in range(3)]
            await one.send(b"hello\r\n")
            assert await two.receive(7) == await three.receive(7) == b"hello\r\n"
            await two.send(b"hi\n")
            assert await one.receive(3) == await three.receive(3) == b"hi\n"

    run(main())


def test_echo_includes_the_sender(run: Run) -> None:
    async def main() -> None:
        async with Server(config(echo=True)) as server:
            one, two = await Client.connect(server), await Client.connect(server)
            await one.send(b"hello\n")
            assert await one.receive(6) == await two.receive(6) == b"hello\n"

    run(main())


def test_connect_and_close_cycles_leave_nothing(run: Run) -> None:
    async def main() -> None:
        async with Server(config(half_close_timeout=0.0)) as server:
            for _ in range(50):
                client = await Client.connect(server)
                await client.close()
            await until(lambda: not server.peers)
            assert server.peers.accepted == 50
            assert server.peers.reasons == {"eof": 50}
            assert not server.everyone.peers

    run(main())


def test_several_servers_in_one_loop(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as first, Server(config()) as second:
            a, b = await Client.connect(first), await Client.connect(first)
            c = await Client.connect(second)
            await a.send(b"here\n")
            assert await b.receive(5) == b"here\n"
            await c.send(b"alone\n")
            await until(lambda: peer_of(second, 0).messages_in == 1)
            assert second.peers.totals().offered_messages == 0

    run(main())


def test_states(run: Run) -> None:
    async def main() -> None:
        async with Server(config(idle_after=0.001)) as server:
            one, two = await Client.connect(server), await Client.connect(server)
            peer = peer_of(server, 0)
            await until(lambda: peer.state == "idle")
            await one.send(b"x\n")
            await two.receive(2)
            assert peer.last_message is not None
            one.writer.write_eof()
            await until(lambda: peer.state == "half-closed")
            peer.close(CloseReason.EOF)
            assert peer.state == "closing"
            await until(lambda: peer.state == "closed")

    run(main())


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 10.0, **settings}))


def test_a_server_starts_once(run: Run) -> None:
    async def main() -> None:
        made = server()
        await made.stop()  # nothing to do
        async with made:
            pass
        await made.stop()
        with pytest.raises(RuntimeError, match="a server starts once"):
            await made.start()

    run(main())
