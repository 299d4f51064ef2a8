"""The sections of the report: measures and contestants, each section a table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from contest import Running
from measures import Figures, Measure, Section, churn, cost, exchanged, handle, idle, latency, rate, start, stuck, timed
from rivals import CONTESTANTS
from shapes import ALL_TO_ALL, BATCHES, FANOUT, Shape
from variants import BROADCASTING, HANDLING, INTERVALS, MODES


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
        "has a process of its own: with few receivers, one and the same program differs by a fifth from start to "
        "start.",
        ("ns",),
        _shapes(cost, [*FANOUT, *BATCHES, *ALL_TO_ALL], fresh=True),
    ),
    Section(
        "rate",
        "Deliveries per second, flat out",
        "Senders write whenever they are less than 256 KiB for each receiver ahead, and 64 MiB in all. The load has "
        "one processor, the server another; where the server is less than 0.9 busy, the load set the rate.",
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
        (*CONTESTANTS, INTERVALS[1]),
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
        "time that a healthy one received nothing, and how much more memory the server took.",
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
        "The same messages in each framing. Every byte of MessagePack is checked. The yardstick speaks lines.",
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
        "Gain and cost of --flush-interval",
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
        (Measure("lines[64B]", handle),),
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
