"""Makes a load, and gives its result.

    result = run(Plan(Address("127.0.0.1", 3000), subscribers=100, lockstep=True, check=None))
    print(result.throughput.deliveries_per_second)

The processes of the load are started afresh: a program that calls `run` needs the usual
`if __name__ == "__main__":`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, log10
from typing import Final

from fastserver.errors import ConfigError
from fastserver.load.board import CLOSED, DUE, MESSAGES, OWED, RECEIVED
from fastserver.load.checking import Findings
from fastserver.load.crew import CalledOff, Crew, Progress
from fastserver.load.errors import LoadError
from fastserver.load.latency import latency
from fastserver.load.plan import Plan
from fastserver.load.processor import processor_time
from fastserver.load.result import Check, Result, Throughput
from fastserver.load.worker import Order

__all__ = ["LoadError", "Plan", "Progress", "Result", "run"]

GENTLE: Final = 0.1
"""Share of the measured throughput at which the check runs, if no rate is given."""
CHECKED: Final = 20_000
"""Deliveries a second that one process can check without being late itself."""


def run(
    plan: Plan,
    *,
    begun: Callable[[], None] | None = None,
    ended: Callable[[], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Result:
    """Make the load: a run for throughput, then, if `plan.check` says so, one that checks every message.

    `begun` is called when everyone is connected and the server has nothing to do, immediately before the first write
    of the run for throughput; `ended` once all its messages have been received, before anyone disconnects: between the
    two, the server's work is that of the deliveries. `progress` is called several times a second. Once `stop` gives
    True sending ends, and the measurements until then are the result.

    Raises `LoadError` if the server cannot be reached, refuses or passes nothing on; `ConfigError` if there is no
    process `plan.pid`, or a package that the check needs is not installed.
    """
    if plan.check is not None:
        latency({})
    if plan.pid is not None:
        _processor_time(plan.pid)
    throughput = check = None
    with Crew(plan, progress or (lambda _: None), stop or (lambda: False)) as crew:
        try:
            throughput = _throughput(crew, begun or (lambda: None), ended or (lambda: None))
            if plan.check is not None and not crew.stopped:
                check = _check(crew, plan.check, plan.rate or _gentle(plan, throughput))
        except CalledOff:
            pass
        except LoadError as error:
            if throughput is None:
                raise
            return Result(plan, throughput, problem=str(error))
        return Result(plan, throughput, check, crew.stopped)


def _throughput(crew: Crew, begun: Callable[[], None], ended: Callable[[], None]) -> Throughput:
    plan = crew.plan
    server: list[float] = []

    def read() -> None:
        if plan.pid is not None:
            server.append(_processor_time(plan.pid))

    def begin() -> None:
        begun()
        read()

    def end() -> None:
        read()
        ended()

    tally, seconds = crew.take_part(Order(), plan.duration, begin, end)
    size = plan.mix.delivered(plan.wire)
    lost = ceil((crew.total(OWED) - crew.total(RECEIVED)) / size)
    return Throughput(
        seconds=seconds,
        messages=crew.total(MESSAGES),
        deliveries=crew.total(DUE) - lost,
        lost=lost,
        unsolicited=round(tally.unsolicited / size),
        bytes=crew.total(RECEIVED),
        closed=crew.total(CLOSED),
        sent=tuple(tally.sent[number] for number in sorted(tally.sent)),
        received=tuple(tally.received[number] / size for number in sorted(tally.received)),
        gaps=tuple(tally.gaps[number] / 1e9 for number in sorted(tally.gaps)),
        busy=tuple(tally.busy),
        server=server[1] - server[0] if server else None,
    )


def _processor_time(pid: int) -> float:
    try:
        return processor_time(pid)
    except OSError as error:
        raise ConfigError(f"--pid: {pid} is not allowed: {error}; allowed is a process of this machine") from None


def _check(crew: Crew, seconds: float, rate: float) -> Check:
    found, took = crew.take_part(Order(rate), seconds, lambda: None, lambda: None)
    assert isinstance(found, Findings)
    return Check(
        rate=rate,
        seconds=took,
        messages=crew.total(MESSAGES),
        deliveries=found.arrived,
        lost=crew.total(DUE) - found.arrived,
        reordered=found.reordered,
        duplicated=found.duplicated,
        foreign=found.foreign,
        closed=crew.total(CLOSED),
        latency=latency(found.latency),
        late=latency(found.late),
    )


def _gentle(plan: Plan, throughput: Throughput) -> float:
    """Messages a second that neither server nor load has to hurry for, in two digits."""
    rate = min(throughput.messages_per_second * GENTLE, CHECKED * plan.processes / plan.recipients)
    unit = 10.0 ** (floor(log10(max(rate, 1))) - 1)
    return max(1.0, floor(rate / unit) * unit)
