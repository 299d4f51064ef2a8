"""What is measured, of whom: sections of measures, each of which gives the figures of one run of one server."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from statistics import quantiles
from typing import Final

from contest import CACHING, Contestant, Running
from loads import Held, Leading, Timed, opened, run
from rivals import BROADCASTING, COALESCING, CONTESTANTS, HANDLING, INTERVALS, MODES
from shapes import ALL_TO_ALL, BATCHES, FANOUT, Shape

from fastserver.descriptors import raise_limit
from fastserver.load import run as bench
from fastserver.load.errors import LoadError
from fastserver.load.wire import Role

Figures = dict[str, float]
"""One run's figures, by their names."""


@dataclass(frozen=True)
class Measure:
    """One thing measured. `take` gives the figures of a run that sends for about so many seconds.

    With `fresh`, each run has a process of its own.
    """

    name: str
    take: Callable[[Running, float], Figures]
    connections: int = 1
    fresh: bool = False

    def suits(self, contestant: Contestant) -> bool:
        """Whether the contestant can take part."""
        return self.connections <= contestant.max_peers


@dataclass(frozen=True)
class Section:
    """Measures whose results are one table."""

    name: str
    title: str
    about: str
    figures: tuple[str, ...]
    """Which are shown; the first also as its ratio to that of `base`."""
    measures: tuple[Measure, ...]
    contestants: tuple[Contestant, ...] = CONTESTANTS
    base: str = "yardstick"
    seconds: float = 1.0
    """How long a run takes, as a multiple of what is asked for."""


def cost(shape: Shape, server: Running, seconds: float) -> Figures:
    """Processor time per delivery in lockstep: what a server finds at a time is the same for all."""
    kind = Held if shape.kind == "all-to-all" else Leading
    found, _ = run(server, shape.plan(server, lockstep=True, duration=seconds), kind)
    return {"ns": found.nanoseconds, "per second": found.rate, "lost": found.lost}


def rate(shape: Shape, server: Running, seconds: float) -> Figures:
    """Deliveries per second, flat out."""
    found, _ = run(server, shape.plan(server, duration=seconds), Leading)
    return {"per second": found.rate, "ns": found.nanoseconds, "busy": found.busy, "lost": found.lost}


def latency(shape: Shape, share: float | None, server: Running, seconds: float) -> Figures:
    """How long messages take, at 1000 a second, or at a share of what the server can do."""
    return timed(shape, 1000.0 if share is None else share * most(shape, server, seconds), server, seconds)


def timed(shape: Shape, messages: float, server: Running, seconds: float) -> Figures:
    """How long messages of one sender take, at so many a second."""
    found, timed = run(server, shape.plan(server, rate=messages, duration=seconds), Timed)
    percentiles = quantiles(timed.latencies, n=100)
    return {
        "p99 µs": percentiles[98] / 1e3,
        "p50 µs": percentiles[49] / 1e3,
        "messages per second": found.messages / found.seconds,
        "asked for": messages,
        "ns": found.nanoseconds,
    }


def exchanged(messages: float, server: Running, seconds: float) -> Figures:
    """How long messages of 20 to each other take, at so many a second in all, each from when it was due."""
    plan = Shape("all-to-all", 64, 20).plan(server, rate=messages, duration=seconds)
    found = bench.run(replace(plan, check=seconds))
    assert found.throughput is not None
    if found.check is None or found.check.latency is None:
        raise LoadError(found.problem or "nothing came")
    return {
        "p99 µs": found.check.latency.p99 * 1e6,
        "p50 µs": found.check.latency.p50 * 1e6,
        "ns": (found.throughput.server_per_delivery or 0.0) * 1e9,
        "lost": found.throughput.lost + found.check.lost,
    }


def most(shape: Shape, server: Running, seconds: float) -> float:
    """Messages per second that the server can do: the median of three runs, made once."""
    known = server.notes.get(str(shape))
    if known is None:
        runs = [run(server, shape.plan(server, duration=seconds / 2), Leading)[0] for _ in range(3)]
        known = server.notes[str(shape)] = sorted(one.messages / one.seconds for one in runs)[1]
    return known


def stuck(count: int, server: Running, seconds: float) -> Figures:
    """20,000 messages of 1 KiB a second to ten readers, and to `count` that connected and never read."""
    plan = Shape("fanout", 1024, 10).plan(server, rate=20_000.0, duration=seconds)
    before = server.resident()
    with opened(server, [(100 + number, Role.RECEIVE) for number in range(count)]):
        found, _ = run(server, plan, Leading)
    return {
        "gap ms": found.gap * 1e3,
        "MiB more": max(0, server.most_resident() - before) / 2**20,
        "messages per second": found.messages / found.seconds,
        "ns": found.nanoseconds,
        "lost": found.lost,
    }


def idle(count: int, server: Running, seconds: float) -> Figures:
    """Memory of each of so many connections, and the processor time of the server while nobody says anything."""
    raise_limit()
    before = server.resident()
    with opened(server, [(number, Role.RECEIVE) for number in range(count)]) as links:
        server.wait_for_connections(count)
        server.wait_until_quiet()
        for link in links:
            with suppress(BlockingIOError):
                link.receive()  # which answers a first ping; EOFError if the server closed it
        server.wait_until_quiet()
        bytes_each = (server.resident() - before) / count
        processor = server.processor_time()
        time.sleep(seconds)
        return {
            "bytes each": bytes_each,
            "% of a processor": (server.processor_time() - processor) / seconds * 100,
        }


def churn(server: Running, seconds: float) -> Figures:
    """Connections that are opened, greeted and closed, 50 at a time."""
    server.wait_until_quiet()
    count = 0
    processor, begun = server.processor_time(), time.perf_counter()
    while time.perf_counter() < begun + seconds:
        with opened(server, [(count + more, Role.BOTH) for more in range(50)]):
            count += 50
    took = time.perf_counter() - begun
    server.wait_until_quiet()
    return {"µs each": (server.processor_time() - processor) / count * 1e6, "per second": count / took}


def start(server: Running, _: float) -> Figures:
    """From the start of the process until it accepted a connection; and a Python that only imports uvloop."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import uvloop"], check=True, env=CACHING)
    return {"ms": server.started * 1e3, "times import uvloop": server.started / (time.perf_counter() - begun)}


def hear(server: Running, seconds: float) -> Figures:
    """Lines of 64 bytes, 64 KiB at a time, to a server that calls a function for each."""
    chunk = (b"x" * 63 + b"\n") * 1024
    chunks = 0
    with socket.create_connection(server.address) as sender:
        processor, begun = server.processor_time(), time.perf_counter()
        while time.perf_counter() < begun + seconds:
            sender.sendall(chunk)
            chunks += 1
        sender.shutdown(socket.SHUT_WR)
        while sender.recv(100):
            pass
        took = time.perf_counter() - begun
    messages = chunks * chunk.count(b"\n")
    return {"ns": (server.processor_time() - processor) / messages * 1e9, "per second": messages / took}


def _shapes(
    take: Callable[[Shape, Running, float], Figures], shapes: list[Shape], fresh: bool = False
) -> tuple[Measure, ...]:
    return tuple(Measure(str(shape), partial(take, shape), shape.connections, fresh) for shape in shapes)


HUNDRED: Final = Shape("fanout", 64, 100)
SHARES: Final = {"1000 a second": None, "at 25 %": 0.25, "at 50 %": 0.5, "at 75 %": 0.75}
SECTIONS: Final = (
    Section(
        "cost",
        "Processor time of the server per delivery, in lockstep",
        "The next write comes once all receivers have the last one, and in all-to-all the server is held until all "
        "have written, so that every server finds the same amount at a time. Nanoseconds of all its threads. Each run "
        "has a process of its own: where few hear, one and the same program differs by a fifth from start to start.",
        ("ns",),
        _shapes(cost, [*FANOUT, *BATCHES, *ALL_TO_ALL], fresh=True),
    ),
    Section(
        "rate",
        "Deliveries per second, flat out",
        "Senders write whenever they are less than 256 KiB for each receiver ahead, and 64 MiB "
        "in all. The load has one processor, the "
        "server another; where the server is less than 0.9 busy, the load set the rate.",
        ("per second", "busy"),
        _shapes(
            rate,
            [
                *(shape for shape in FANOUT if shape.size == 64 or shape.peers == 100),
                *(shape for shape in BATCHES if shape.peers == 100),
                # 300 with 16 a write keep the slowest at it for minutes.
                *(shape for shape in ALL_TO_ALL if shape.peers * shape.batch < 4800),
            ],
        ),
        (*CONTESTANTS, COALESCING),
    ),
    Section(
        "latency",
        "Latency of fan-out to 100, 64 bytes",
        "99 of 100 deliveries took at most so many microseconds, from `send` until the kernel had the message for the "
        "receiver: at 1000 messages a second, and at shares of what each server does flat out.",
        ("p99 µs", "p50 µs"),
        tuple(Measure(name, partial(latency, HUNDRED, share), 102) for name, share in SHARES.items()),
        seconds=4.0,
    ),
    Section(
        "stuck",
        "Readers that are stuck",
        "20,000 messages of 1 KiB a second to 10 healthy readers, beside none, 1 and 5 that never read: the longest "
        "that a healthy one heard nothing, and how much more memory the server took.",
        ("gap ms", "MiB more"),
        tuple(Measure(f"{count} stuck", partial(stuck, count), 20, fresh=True) for count in (0, 1, 5)),
        seconds=10.0,
    ),
    Section(
        "idle",
        "Connections on which nothing happens",
        "Resident memory of the server for each of 10,000 connections, and its processor time while all are silent.",
        ("bytes each", "% of a processor"),
        (Measure("10000 connections", partial(idle, 10_000), 10_000, fresh=True),),
        seconds=4.0,
    ),
    Section(
        "churn",
        "Connections that come and go",
        "Opened, greeted as its protocol wants it, and closed, 50 at a time: processor time of the server for each.",
        ("µs each",),
        (Measure("50 at a time", churn, 50),),
    ),
    Section(
        "start",
        "From start to listening",
        "Until the first connection was accepted.",
        ("ms", "times import uvloop"),
        (Measure("start", start, fresh=True),),
    ),
    Section(
        "modes",
        "The modes of fastserver",
        "The same messages framed as lines and as msgpack, whose every byte is checked. The yardstick speaks lines.",
        ("ns",),
        _shapes(
            cost,
            [
                *(Shape("fanout", 64, peers) for peers in (1, 10, 100, 1000)),
                Shape("fanout", 1024, 100),
                Shape("fanout", 64, 100, 256),
                Shape("all-to-all", 64, 100),
                Shape("all-to-all", 64, 100, 16),
            ],
            fresh=True,
        ),
        MODES,
    ),
    Section(
        "interval",
        "What --flush-interval brings, and costs",
        "Small messages that come faster than each could be written to everyone alone. Latency of fan-out until the "
        "kernel had the message for the receiver; of 20 to each other until a program had it, from when it was due.",
        ("ns", "p50 µs", "p99 µs"),
        (
            *(
                Measure(f"1 → 100, {rate} a second", partial(timed, HUNDRED, float(rate)), 102, fresh=True)
                for rate in (500, 2000, 8000)
            ),
            Measure("20 to each other, 1000 a second", partial(exchanged, 1000.0), 22, fresh=True),
        ),
        INTERVALS,
        base="fastserver",
        seconds=4.0,
    ),
    Section(
        "handlers",
        "A Python function called for each message",
        "All on uvloop: processor time per message. The function does nothing, or looks at the payload.",
        ("ns", "per second"),
        (Measure("lines[64B]", hear),),
        HANDLING,
        base="bytes.split",
    ),
    Section(
        "broadcast",
        "A handler that broadcasts, beside the built-in broadcast",
        "Processor time per delivery, in lockstep.",
        ("ns",),
        _shapes(cost, [HUNDRED, Shape("fanout", 64, 100, 16), Shape("fanout", 64, 100, 256)]),
        BROADCASTING,
        base="fastserver",
    ),
)
