"""Publish and flush without sockets: the cost of a delivery in the server itself, nanoseconds.

pytest bench/test_flush.py --benchmark-enable
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from support.simulation import Simulation


def take_all(_: object) -> None:
    """Stands in for a transport's `write`: takes everything at once, at no cost."""


@pytest.mark.parametrize(
    ("senders", "peers", "messages"),
    [(1, 10, 1), (1, 100, 1), (1, 1000, 1), (1, 100, 16), (100, 100, 1), (100, 100, 16)],
    ids=lambda value: str(value),
)
def test_publish_and_flush(benchmark: BenchmarkFixture, senders: int, peers: int, messages: int) -> None:
    """64-byte lines from `senders` of `peers`, that many in one read of each, in one tick."""
    simulation = Simulation(log_messages=0)
    loop = simulation.loop
    connected = []
    for _ in range(peers + (senders == 1)):
        peer, transport = simulation.connect()
        transport.write = transport.writelines = take_all  # type: ignore[method-assign]
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
