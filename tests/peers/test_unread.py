"""Connections that are reset while nobody reads them, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from support.scene import reset

from fastserver import Config, Message, Server

LINES = b"x" * 99 + b"\n"


async def until(happened: Callable[[], object]) -> None:
    while not happened():
        await asyncio.sleep(0.01)


def config(**settings: Any) -> Config:
    return Config(port=0, drain_timeout=0.0, log_messages=0, **settings)


async def connect(server: Server) -> socket.socket:
    """A connection that was let in."""
    before = server.peers.accepted
    address = server.addresses[0]
    if address.startswith("unix:"):
        one = socket.socket(socket.AF_UNIX)
        one.connect(address.removeprefix("unix:"))
    else:
        one = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))
    await until(lambda: server.peers.accepted > before)
    return one


async def send(one: socket.socket, data: bytes) -> None:
    one.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(one, data)


def test_half_closed_peer(run: Run) -> None:
    async def main() -> None:
        async with Server(config(half_close_timeout=3600.0)) as server:
            one, other = await connect(server), await connect(server)
            for client in (one, other):
                client.shutdown(socket.SHUT_WR)
            await until(lambda: all(peer.state == "half-closed" for peer in server.peers))
            reset(one)
            await until(lambda: len(server.peers) == 1)
            assert server.peers.reasons == {"reset": 1}
            other.close()

    run(main())


def test_half_closed_peer_of_a_unix_socket_that_closes(run: Run, tmp_path: Path) -> None:
    """There a close is told, and it is no reset."""

    async def main() -> None:
        async with Server(config(unix=str(tmp_path / "s"), half_close_timeout=3600.0)) as server:
            one, other = await connect(server), await connect(server)
            for client in (one, other):
                client.shutdown(socket.SHUT_WR)
            await until(lambda: all(peer.state == "half-closed" for peer in server.peers))
            one.close()
            await until(lambda: len(server.peers) == 1)
            assert server.peers.reasons == {"eof": 1}
            other.close()

    run(main())


@pytest.mark.parametrize("ends", ["reset", "close"])
def test_peer_whose_handler_is_behind(run: Run, ends: str) -> None:
    """All it had sent is handled, and it is gone before the handler goes on."""

    async def main() -> None:
        server = Server(config(max_waiting=1000, half_close_timeout=0.0))
        go_on, handled = asyncio.Event(), 0

        @server.on_message
        async def wait(_: Message) -> None:
            nonlocal handled
            await go_on.wait()
            handled += 1

        async with server:
            one = await connect(server)
            await send(one, LINES * 3000)
            await until(lambda: not next(iter(server.peers)).link.transport.is_reading())
            if ends == "close":
                one.close()
                go_on.set()
            else:
                reset(one)
            await until(lambda: not server.peers)
            go_on.set()
            await until(lambda: not server.handlers.inboxes)
            assert handled == server.peers.totals().messages_in
            if ends == "close":
                assert handled == 3000
            assert sum(server.peers.reasons.values()) == 1
            assert not server.unread._peers
            assert not server.unread.over

    run(main())


def test_peer_over_its_rate_that_is_reset(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_messages_per_second=1)) as server:
            one = await connect(server)
            await send(one, LINES * 1000)
            await until(lambda: server.peers.throttled)
            reset(one)
            await until(lambda: server.peers.reasons == {"reset": 1})

    run(main())


def test_who_comes_again_is_not_read_before_it_has_paid(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_messages_per_second=10, limit_loopback=True)) as server:
            listening, first = await connect(server), await connect(server)
            await send(first, LINES * 12)
            await until(lambda: server.peers.throttled)
            reset(first)
            again = await connect(server)
            began = server.time()
            await send(again, LINES)
            listening.setblocking(False)
            received = b""
            while len(received) < 13 * len(LINES):
                received += await asyncio.get_running_loop().sock_recv(listening, 65536)
            assert server.time() > began
            assert [peer.messages_in for peer in server.peers][-1] == 1
            listening.close()
            again.close()

    run(main())


@pytest.mark.parametrize("end", [reset, socket.socket.close], ids=["reset", "close"])
def test_coming_again_brings_no_more_than_staying(run: Run, end: Callable[[socket.socket], None]) -> None:
    """In any time no more than rate and burst, and what one read brings."""

    async def main() -> None:
        rate, lines = 1000, 200
        settings = config(max_messages_per_second=rate, limit_loopback=True, half_close_timeout=0.0)
        async with Server(settings) as server:
            began = server.time()
            for _ in range(40):
                one = await connect(server)
                await send(one, b"\n" * lines)
                end(one)
            await until(lambda: server.peers.totals().messages_in >= 2000)
            assert server.peers.totals().messages_in <= rate * (server.time() - began + 1) + lines

    run(main())


def test_peer_that_is_over_its_rate(run: Run, tmp_path: Path) -> None:
    """Messages that it sent before it closed are passed on, though its rate would have them wait for hours."""

    async def main() -> None:
        path = str(tmp_path / "s")
        async with Server(config(unix=path, max_messages_per_second=1)) as server:
            listening, one = await connect(server), await connect(server)
            data = LINES * 1000
            await send(one, data[:10_000])
            await until(lambda: server.peers.throttled)
            await send(one, data[10_000:])
            one.close()
            received = b""
            listening.setblocking(False)
            while len(received) < len(data):
                received += await asyncio.get_running_loop().sock_recv(listening, 65536)
            assert received == data
            await until(lambda: len(server.peers) == 1)
            assert server.peers.reasons == {"eof": 1}
            listening.close()

    run(main())


def test_many_are_asked_about_some_at_a_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that are reset are found, also beyond those asked about in one turn."""
    monkeypatch.setattr("fastserver.peers.unread.AT_ONCE", 3)

    async def main() -> None:
        async with Server(config(half_close_timeout=3600.0)) as server:
            clients = [await connect(server) for _ in range(10)]
            for client in clients:
                client.shutdown(socket.SHUT_WR)
            await until(lambda: len(server.unread._peers) == 10)
            for client in clients[1:]:
                reset(client)
            await until(lambda: len(server.peers) == 1)
            assert server.peers.reasons == {"reset": 9}
            clients[0].close()

    run(main())


def test_living_peers_stay(run: Run) -> None:
    """Peers that are not read, or ended their stream, and are there."""

    async def main() -> None:
        async with Server(config(half_close_timeout=3600.0, max_messages_per_second=1)) as server:
            ended, slow, told = [await connect(server) for _ in range(3)]
            ended.shutdown(socket.SHUT_WR)
            await send(slow, LINES * 100)
            await until(lambda: len(server.unread._peers) == 2)
            reset(told)
            looks = 0
            whole = server.unread._look

            def look() -> None:
                nonlocal looks
                looks += 1
                whole()

            server.unread._look = look  # type: ignore[method-assign]
            await until(lambda: looks == 2)
            assert len(server.peers) == 2
            for one in (ended, slow):
                one.close()

    run(main())
