"""The addresses that a server accepts on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from support.accepted import Client, port_of

from fastserver import Config, ListenError, Server
from fastserver.config.listener import Role


def config(**settings: Any) -> Config:
    return Config(**{"port": 0, "drain_timeout": 0.0, "log_messages": 0, **settings})


def test_port_in_use(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            port = port_of(server)
            with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: address already in use"):
                await Server(config(port=port)).start()

    run(main())


def test_ipv6_and_ipv4_on_one_listener(run: Run) -> None:
    async def main() -> None:
        async with Server(config(host="::")) as server:
            await Client.connect(server, "127.0.0.1")
            await Client.connect(server, "::1")
            addresses = [peer.address.rpartition(":")[0] for peer in server.peers]
            assert addresses == ["127.0.0.1", "[::1]"]

    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    run(main())


def test_listeners_with_roles(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "feed.sock"
        urls = ["lines://127.0.0.1:0", "lines://127.0.0.1:0?role=send", f"lines+unix://{path}?role=receive"]
        async with Server(Config(listen=tuple(urls), drain_timeout=0.0)) as server:
            both = await Client.connect(server)
            unix = server.addresses[2]
            assert unix == f"unix:{path}"
            sender, receiver = await Client.connect(server, listener=1), await Client.connect(server, listener=2)
            assert {peer.role: peer.address for peer in server.peers}[Role.RECEIVE] == unix
            await receiver.send(b"unheard\n")
            await sender.send(b"one\n")
            assert await both.receive(4) == await receiver.receive(4) == b"one\n"
            await both.send(b"two\n")
            assert await receiver.receive(4) == b"two\n"
            sender.writer.write_eof()
            assert await sender.end() == b""
        assert not path.exists()

    run(main())


def test_nothing_is_left_of_listeners_that_cannot_all_be(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        paths = [tmp_path / "one.sock", tmp_path / "missing" / "other.sock"]
        server = Server(Config(listen=tuple(f"lines+unix://{path}" for path in paths)))
        with pytest.raises(ListenError, match=r"cannot listen on unix:.*missing"):
            await server.start()
        assert not paths[0].exists()

    run(main())


def test_many_are_let_in_within_a_few_turns_of_the_loop(run: Run) -> None:
    """Turns are long where there are many peers: at one a turn, the next would wait for minutes."""

    async def main() -> None:
        async with Server(config()) as server:
            address = ("127.0.0.1", port_of(server))
            with contextlib.ExitStack() as stack:
                for _ in range(320):  # they wait in the kernel: the loop does not run meanwhile
                    stack.enter_context(socket.create_connection(address))
                turns = 0
                while server.peers.accepted < 320:
                    await asyncio.sleep(0)
                    turns += 1
                assert turns < 100

    run(main())
