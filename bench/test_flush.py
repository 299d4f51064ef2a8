"""Publish and flush without sockets: what a delivery costs the server itself, nanoseconds.

pytest bench/test_flush.py --benchmark-enable
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fastserver import Config, Server
from fastserver.peers.peer import Peer


class Loop:
    """Runs what is due soon when told."""

    def __init__(self) -> None:
        self._soon: list[tuple[Any, tuple[Any, ...]]] = []

    def time(self) -> float:
        return 0.0

    def call_later(self, *_: Any) -> None:
        return None

    def call_soon(self, call: Any, *arguments: Any) -> None:
        self._soon.append((call, arguments))

    def tick(self) -> None:
        soon, self._soon = self._soon, []
        for call, arguments in soon:
            call(*arguments)


class Transport:
    """Takes everything and does nothing."""

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        pass

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("127.0.0.1", 1), "socket": self}[name]

    def fileno(self) -> int:
        return -1

    def write(self, data: bytes) -> None:
        pass

    def writelines(self, parts: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("senders", "peers", "messages"),
    [(1, 10, 1), (1, 100, 1), (1, 1000, 1), (1, 100, 16), (100, 100, 1), (100, 100, 16)],
    ids=lambda value: str(value),
)
def test_publish_and_flush(benchmark: BenchmarkFixture, senders: int, peers: int, messages: int) -> None:
    """64-byte lines from `senders` of `peers`, that many in one read of each, in one tick."""
    server = Server(Config(log_messages=0))
    loop = Loop()
    server.attach(cast(asyncio.AbstractEventLoop, loop))
    connected = []
    for _ in range(peers + (senders == 1)):
        peer = Peer(server, server.splitter())
        peer.connection_made(cast(asyncio.Transport, Transport()))
        connected.append(peer)
    chunk = (b"x" * 63 + b"\n") * messages
    sending = connected[:senders]

    def tick() -> None:
        for peer in sending:
            peer.data_received(chunk)
        loop.tick()

    benchmark.group = "publish and flush"
    benchmark(tick)
    deliveries = senders * messages * (len(connected) - 1)
    if benchmark.stats is not None:
        benchmark.extra_info["ns per delivery"] = round(benchmark.stats.stats.median / deliveries * 1e9, 1)
        benchmark.extra_info["ns per write"] = round(benchmark.stats.stats.median / len(connected) * 1e9, 1)
