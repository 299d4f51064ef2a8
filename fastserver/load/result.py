"""The measurements of a load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastserver.load.latency import Latency
from fastserver.load.plan import Plan


@dataclass(frozen=True)
class Fairness:
    """The equality of shares: least and greatest as a part of the mean, and Jain's index, 1 if all are equal."""

    least: float
    most: float
    jain: float

    @classmethod
    def of(cls, shares: Sequence[float]) -> Fairness:
        """The fairness of these shares."""
        total = sum(shares)
        if not total:
            return cls(1.0, 1.0, 1.0)
        mean = total / len(shares)
        jain = total * total / (len(shares) * sum(share * share for share in shares))
        return cls(min(shares) / mean, max(shares) / mean, jain)


@dataclass(frozen=True)
class Throughput:
    """The result of the run that counts bytes."""

    seconds: float
    """From the first write to the last byte that arrived."""
    messages: int
    """Sent by all publishers together."""
    deliveries: int
    """Messages that receivers got, all receivers together."""
    lost: int
    """Messages that receivers should have got and did not, all receivers together."""
    unsolicited: int
    """Messages that connections which only publish received."""
    bytes: int
    """Bytes that receivers got, framing included."""
    closed: int
    """Connections that the server closed."""
    sent: tuple[int, ...]
    """Messages of each publisher."""
    received: tuple[float, ...]
    """Messages of each receiver, up to the end of sending."""
    gaps: tuple[float, ...]
    """Seconds: the longest time that each receiver received nothing."""
    busy: tuple[float, ...]
    """Seconds of processor time of each process of the load."""
    server: float | None
    """Seconds of processor time of the server."""

    @property
    def messages_per_second(self) -> float:
        return self.messages / self.seconds

    @property
    def deliveries_per_second(self) -> float:
        return self.deliveries / self.seconds

    @property
    def server_per_delivery(self) -> float | None:
        """Seconds of processor time of the server for each delivery, unsolicited ones included."""
        deliveries = self.deliveries + self.unsolicited
        return None if self.server is None or not deliveries else self.server / deliveries


@dataclass(frozen=True)
class Check:
    """The result of the run that checks every message."""

    rate: float
    """Messages a second that were due, of all publishers together."""
    seconds: float
    messages: int
    deliveries: int
    lost: int
    reordered: int
    """Deliveries that came after a later one of the same publisher."""
    duplicated: int
    """Deliveries of messages that had been delivered before, or to their own sender."""
    foreign: int
    """Deliveries of messages that are none of this run, or were changed."""
    closed: int
    latency: Latency | None
    """From when a message was due to when a receiver had it; None if nothing came."""
    late: Latency | None
    """From when a write was due to when it was sent: how far the load itself was behind."""


@dataclass(frozen=True)
class Result:
    """The results of a load's runs, as far as it got."""

    plan: Plan
    throughput: Throughput | None = None
    check: Check | None = None
    stopped: bool = False
    """The load was ended early."""
    problem: str = ""
    """The reason why the check could not be made."""

    @property
    def clean(self) -> bool:
        """Nothing was lost, out of order, changed or closed."""
        runs = (self.throughput, self.check)
        check = self.check
        return (
            not self.problem
            and not any(run is not None and (run.lost or run.closed) for run in runs)
            and not (check is not None and (check.reordered or check.duplicated or check.foreign))
        )
