"""A result of a load in which everything went wrong."""

from __future__ import annotations

from fastserver.client.address import Address
from fastserver.load.latency import Latency
from fastserver.load.plan import Plan
from fastserver.load.result import Check, Result, Throughput

RESULT = Result(
    Plan(Address("127.0.0.1", 3000), publishers=2, subscribers=3, processes=1),
    Throughput(
        seconds=2.0,
        messages=1000,
        deliveries=2990,
        lost=10,
        unsolicited=1000,
        bytes=2990 * 65,
        closed=1,
        sent=(400, 600),
        received=(1000.0, 1000.0, 990.0),
        gaps=(0.01, 0.02, 0.5),
        busy=(1.5,),
        server=0.000399,
    ),
    Check(
        rate=100.0,
        seconds=2.0,
        messages=200,
        deliveries=590,
        lost=10,
        reordered=5,
        duplicated=4,
        foreign=3,
        closed=2,
        latency=Latency(0.0001, 0.0002, 0.0003, 0.0004, 0.0016),
        late=Latency(0.00001, 0.00002, 0.00003, 0.00004, 0.005),
    ),
)
