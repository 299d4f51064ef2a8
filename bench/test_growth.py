"""Work that must grow no faster than the input: the time for n of something beside that for twice as many.

pytest bench/test_growth.py --benchmark-enable
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.simulation import Simulation

CHUNK = b"\n" * 64 * 1024


def join(number: int) -> Callable[[], object]:
    """A peer joins that many channels, and leaves them."""
    simulation = Simulation(log_messages=0)
    peer, _ = simulation.connect()
    channels = [simulation.server.channel(str(name)) for name in range(number)]
    return lambda: [act(channel) for act in (peer.join, peer.leave) for channel in channels]


def catch_up(number: int) -> Callable[[], object]:
    """A peer in that many channels, each of which has a message for it, catches up."""
    simulation = Simulation(log_messages=0)
    peer, transport = simulation.connect(0)
    channels = [simulation.server.channel(str(name)) for name in range(number)]
    for channel in channels:
        peer.join(channel)
    peer.send(b"stuck")
    simulation.loop.tick()
    for channel in channels:
        channel.broadcast(b"message")
    simulation.loop.tick()
    return lambda: transport.give_room(1 << 40)


def answer(number: int) -> Callable[[], object]:
    """A handler answers that many messages of ten peers, and passes them on."""
    simulation = Simulation(log_messages=0)
    peers = [simulation.connect()[0] for _ in range(10)]

    def run() -> None:
        for peer in peers:
            for message in peer.splitter.messages(b"\n" * (number // 10), peer):
                peer.send(b"")
                message.broadcast()
        simulation.loop.tick()

    return run


def stall(number: int) -> Callable[[], object]:
    """So many peers get a message of their own each, and stall."""
    simulation = Simulation(log_messages=0)
    peers = [simulation.connect(0)[0] for _ in range(number)]

    def run() -> None:
        for peer in peers:
            peer.send(b"for it alone")
        simulation.loop.tick()

    return run


def flood(policy: str, number: int) -> Callable[[], object]:
    """8 MB of empty lines beside that many peers that are stuck, each of which may be 1 MiB behind."""
    simulation = Simulation(log_messages=0, slow_consumer=policy, max_pending=1 << 20)
    for _ in range(number):
        simulation.connect(0)
    sender, _ = simulation.connect()

    def run() -> None:
        for _ in range(128):
            sender.data_received(CHUNK)
            simulation.loop.tick()

    return run


def own(number: int) -> Callable[[], object]:
    """A peer that is stuck sends that many empty lines between those of others, and then reads."""
    simulation = Simulation(log_messages=0)
    stuck, transport = simulation.connect(0)
    other, _ = simulation.connect()

    def run() -> None:
        for _ in range(number):
            other.data_received(b"\n")
            stuck.data_received(b"\n")
            simulation.loop.tick()
        transport.give_room(1 << 40)

    return run


CASES: dict[str, tuple[Callable[[int], Callable[[], object]], int]] = {
    "channels-joined": (join, 1000),
    "channels-caught-up-in": (catch_up, 1000),
    "messages-answered": (answer, 4000),
    "peers-stalled": (stall, 2000),
    "stuck-peers-latest": (lambda number: flood("latest", number), 50),
    "stuck-peers-drop-oldest": (lambda number: flood("drop-oldest", number), 50),
    "own-lines-of-a-stuck-peer": (own, 5000),
}


@pytest.mark.parametrize("case", CASES)
def test_twice_as_much_takes_twice_the_time(benchmark: BenchmarkFixture, case: str) -> None:
    make, number = CASES[case]
    if benchmark.disabled:
        number = max(10, number // 50)
    taken: dict[int, float] = {number: 1e9, 2 * number: 1e9}

    def run() -> None:
        for size in taken:
            go = make(size)
            began = time.perf_counter()
            go()
            taken[size] = min(taken[size], time.perf_counter() - began)

    benchmark.group = "growth"
    benchmark.pedantic(run, rounds=1 if benchmark.disabled else 3)
    for size, seconds in taken.items():
        benchmark.extra_info[f"{size}: ms"] = round(seconds * 1000, 2)
    benchmark.extra_info["ratio"] = round(taken[2 * number] / taken[number], 2)
