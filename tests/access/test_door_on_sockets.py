"""Peers that are refused, over real sockets."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from conftest import Run
from support.accepted import Client, peer_of, until

from fastserver import CloseReason, Config, Server


def config(**settings: Any) -> Config:
    return Config(**{"port": 0, "drain_timeout": 0.0, "log_messages": 0, **settings})


def test_denied_peer_is_closed_before_anything_is_read(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        urls = ("lines://127.0.0.1:0", f"lines+unix://{tmp_path}/feed.sock")
        async with Server(Config(listen=urls, deny=("127.0.0.0/8",), drain_timeout=0.0)) as server:
            one, two = [await Client.connect(server, listener=1) for _ in range(2)]
            denied = await Client.open(server)
            denied.writer.write(b"let me in\n")
            with contextlib.suppress(ConnectionResetError):  # it had sent something
                assert await denied.end() == b""
            await until(lambda: server.peers.refused == {"denied": 1})
            await one.send(b"heard\n")
            assert await two.receive(6) == b"heard\n"
            assert server.peers.totals().messages_in == 1

    run(main())


def test_descriptors_run_out_and_come_back(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            one, two = await Client.connect(server), await Client.connect(server)
            server.door.ceiling = 0  # as if every descriptor from 0 on were taken
            await Client.open(server)
            await until(lambda: server.door.refused_in_a_row == 1)
            await one.send(b"still\n")
            assert await two.receive(6) == b"still\n"
            one.writer.write_eof()
            await until(lambda: peer_of(server, 0).ended)
            three = await Client.connect(server)  # the half-closed one goes for it
            await until(lambda: len(server.peers) == 2)
            assert server.peers.closed[-1].reason == CloseReason.DESCRIPTORS
            await three.send(b"in\n")
            assert await two.receive(3) == b"in\n"

    run(main())
