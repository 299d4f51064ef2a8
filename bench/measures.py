"""The measures: each gives the figures of one run of one server."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import quantiles

from contest import CACHING, Contestant, Running
from loads import Held, Leading, Timed, opened, run
from rivals import CONTESTANTS
from shapes import Shape

from fastserver.load import run as bench
from fastserver.load.errors import LoadError
from fastserver.load.wire import Role
from fastserver.process.descriptors import raise_limit

Figures = dict[str, float]
"""The figures of a run, by their names."""


@dataclass(frozen=True)
class Measure:
    """A measure. `take` gives the figures of a run that sends for about so many seconds.

    With `fresh`, each run has a process of its own.
    """

    name: str
    take: Callable[[Running, float], Figures]
    connections: int = 1
    fresh: bool = False

    def suits(self, contestant: Contestant) -> bool:
        """True if the contestant can take part."""
        return self.connections <= contestant.max_peers


@dataclass(frozen=True)
class Section:
    """Measures whose results are one table."""

    name: str
    title: str
    about: str
    figures: tuple[str, ...]
    """The figures shown; the first also as its ratio to that of `base`."""
    measures: tuple[Measure, ...]
    contestants: tuple[Contestant, ...] = CONTESTANTS
    base: str = "yardstick"
    seconds: float = 1.0
    """The length of a run, as a multiple of the length asked for."""


def cost(shape: Shape, server: Running, seconds: float) -> Figures:
    """Processor time per delivery in lockstep: every server finds the same amount at a time."""
    kind = Held if shape.kind == "all-to-all" else Leading
    found, _ = run(server, shape.plan(server, lockstep=True, duration=seconds), kind)
    return {"ns": found.nanoseconds, "per second": found.rate, "lost": found.lost}


def rate(shape: Shape, server: Running, seconds: float) -> Figures:
    """Deliveries per second, flat out."""
    found, _ = run(server, shape.plan(server, duration=seconds), Leading)
    return {"per second": found.rate, "ns": found.nanoseconds, "busy": found.busy, "lost": found.lost}


def latency(shape: Shape, share: float | None, server: Running, seconds: float) -> Figures:
    """The latency of messages at 1000 a second, or at a share of the server's maximum."""
    return timed(shape, 1000.0 if share is None else share * most(shape, server, seconds), server, seconds)


def timed(shape: Shape, messages: float, server: Running, seconds: float) -> Figures:
    """The latency of one sender's messages, at so many a second."""
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
    """The latency of messages of 20 to each other, at so many a second in all, each from when it was due."""
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


def handle(server: Running, seconds: float) -> Figures:
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
