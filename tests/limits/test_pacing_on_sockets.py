"""Senders at full speed and readers of some speed, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import time
from typing import Any

import pytest
from conftest import Run

from fastserver import CloseReason, Config, Message, Server

DEADLINE = 15.0
MB = 1_000_000


def config(**settings: Any) -> Config:
    listen = ("lines://127.0.0.1:0?role=receive", "lines://127.0.0.1:0?role=send")
    return Config(
        **{
            "listen": listen,
            "drain_timeout": 0.0,
            "log_messages": 0,
            "max_pending": 1 << 20,
            "send_buffer": 1 << 17,
            **settings,
        }
    )


RECEIVE, SEND = range(2)


async def connect(server: Server, role: int, buffer: int | None = None) -> socket.socket:
    """A connection that the server has let in, with a receive buffer of that many bytes."""
    sock = socket.socket()
    sock.settimeout(DEADLINE)
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    before = server.peers.accepted
    port = int(server.addresses[role].rpartition(":")[2])
    await asyncio.to_thread(sock.connect, ("127.0.0.1", port))
    while server.peers.accepted == before:
        await asyncio.sleep(0)
    return sock


def read(sock: socket.socket, size: int, rate: float, piece: int = 65536) -> bytes:
    """Read `size` bytes, no more than `rate` in a second; less if the stream ends or breaks."""
    received = bytearray()
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while len(received) < size and (chunk := sock.recv(piece)):
            received += chunk
            time.sleep(max(0.0, begun + len(received) / rate - time.monotonic()))
    return bytes(received)


def lines(name: int, size: int) -> bytes:
    """Numbered lines of so many bytes, in which `name` stands."""
    return b"".join([b"%06d %092d\n" % (name, number) for number in range(size // 100)])


@pytest.mark.parametrize("handlers", ["none", "plain", "async"])
@pytest.mark.parametrize("senders", [1, 50])
def test_readers_slower_than_the_senders_get_everything(run: Run, senders: int, handlers: str) -> None:
    async def main() -> None:
        server = Server(config())
        if handlers == "plain":

            @server.on_message
            def pass_on(message: Message) -> None:
                message.broadcast()

        elif handlers == "async":

            @server.on_message
            async def pass_on_later(message: Message) -> None:
                message.broadcast()

        size = (12 if handlers == "none" else 8) * MB
        sent = [lines(number, size // senders) for number in range(senders)]
        async with server:
            readers = [await connect(server, RECEIVE, 1 << 16) for _ in range(3)]
            sending = [await connect(server, SEND) for _ in range(senders)]
            reading = [
                asyncio.ensure_future(asyncio.to_thread(read, reader, size, rate))
                for reader, rate in zip(readers, (8 * MB, 16 * MB, 50 * MB), strict=True)
            ]
            loop = asyncio.get_running_loop()
            for sock in sending:
                sock.setblocking(False)
            await asyncio.gather(*[loop.sock_sendall(sock, data) for sock, data in zip(sending, sent, strict=True)])
            received = await asyncio.gather(*reading)
            assert not server.peers.reasons
            for sock in (*sending, *readers):
                sock.close()
        assert len({hashlib.sha256(data).digest() for data in received}) == 1  # all in one order
        by_sender: dict[bytes, list[bytes]] = {}
        for line in received[0].splitlines(keepends=True):
            by_sender.setdefault(line[:6], []).append(line)
        assert {name: b"".join(found) for name, found in by_sender.items()} == {data[:6]: data for data in sent}

    run(main())


def test_a_reader_that_takes_little_all_the_time_is_not_idle(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_pending=8 << 20, idle_timeout=0.5)) as server:
            reader, sender = await connect(server, RECEIVE, 4096), await connect(server, SEND)
            await asyncio.to_thread(sender.sendall, lines(1, 4 * MB))
            peer = next(iter(server.peers))
            taken = await asyncio.to_thread(read, reader, 100_000, 50_000.0, 2048)
            assert len(taken) >= 100_000
            assert peer.reason is None
            while peer.reason is None:  # and when it takes no more, it is
                await asyncio.sleep(0.05)
            assert peer.reason is CloseReason.IDLE
            reader.close()
            sender.close()

    run(main())


def test_block_does_not_close_a_reader_that_never_stops_taking(run: Run) -> None:
    async def main() -> None:
        settings = {"max_pending": 1 << 18, "slow_consumer": "block", "block_timeout": 0.3, "pace_timeout": 0.001}
        async with Server(config(**settings)) as server:
            reader, sender = await connect(server, RECEIVE, 8192), await connect(server, SEND)
            sent = lines(1, 7 * MB)
            sending = asyncio.ensure_future(asyncio.to_thread(sender.sendall, sent))
            assert await asyncio.to_thread(read, reader, len(sent), 2.5 * MB, 8192) == sent
            await sending
            assert not server.peers.reasons
            reader.close()
            sender.close()

    run(main())
