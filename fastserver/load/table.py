"""A result as a table to read."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final

import click

from fastserver.load.latency import Latency
from fastserver.load.plan import Plan
from fastserver.load.result import Check, Fairness, Result, Throughput

NAME: Final = 14  # columns for the name of a row
FIGURE: Final = 14  # columns for its figure
BAR: Final = 24  # columns of the longest bar
LATE: Final = 0.001
"""Seconds that writes may be late without a note."""


def table(result: Result) -> str:
    """`result` in lines; in colours, which `click.echo` leaves out where they cannot be shown."""
    return "\n".join(_lines(result)) + "\n"


def describe(plan: Plan) -> str:
    """The load, in one line."""
    if plan.all_to_all:
        who = f"{plan.all_to_all} all-to-all"
    else:
        who = f"{_count(plan.publishers, 'publisher')} → {_count(plan.subscribers, 'subscriber')}"
    write = f"{plan.batch:,} messages a write, " if plan.batch > 1 else ""
    return f"{plan.address}, {plan.wire.name}: {who}, {plan.mix}, {write}{pace(plan)}"


def pace(plan: Plan) -> str:
    """The pace, in words."""
    if plan.lockstep:
        return "in lockstep"
    return "flat out" if plan.rate is None else f"{plan.rate:,.12g} messages/s"


def duration(seconds: float) -> str:
    """`seconds` as a person reads it: 85 µs, 1.24 ms, 2.1 s."""
    for unit, scale in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:,.0f} s"


def _lines(result: Result) -> Iterator[str]:
    plan = result.plan
    yield click.style(describe(plan), bold=True)
    if result.throughput is not None:
        yield ""
        yield from _throughput(plan, result.throughput)
    if result.check is not None:
        yield ""
        yield from _check(result.check)
    notes = [*_notes(result)]
    if notes:
        yield ""
        yield from notes


def _throughput(plan: Plan, run: Throughput) -> Iterator[str]:
    receiver = "connection" if plan.all_to_all else "subscriber"
    yield _title("Throughput", f"{run.seconds:.3g} s, {pace(plan)}")
    yield _row("messages", f"{run.messages_per_second:,.0f}", "a second")
    rate = f"a second, {run.bytes / run.seconds / 1e6:,.4g} MB/s"
    yield _row("deliveries", f"{run.deliveries_per_second:,.0f}", rate)
    if run.unsolicited:
        yield _row("", f"{run.unsolicited / run.seconds:,.0f}", "more to publishers, from each other")
    if run.server_per_delivery is not None:
        yield _row("server", duration(run.server_per_delivery), "of processor time for each delivery")
    yield _bad("lost", run.lost, f"of {run.deliveries + run.lost:,} deliveries")
    if run.closed:
        yield _bad("closed", run.closed, "connections, by the server")
    usual = f"; {duration(median(run.gaps))} in the median" if len(run.gaps) > 1 else ""
    yield _row("worst gap", duration(max(run.gaps)), f"the longest time that a {receiver} received nothing{usual}")
    if len(run.received) > 1:
        yield _fairness("fairness", run.received, f"{receiver}s")
    if len(run.sent) > 1:
        yield _fairness("" if len(run.received) > 1 else "fairness", run.sent, "publishers")


def _check(run: Check) -> Iterator[str]:
    yield _title("Check", f"{run.seconds:.3g} s, {run.rate:,.12g} messages/s; latency from when each was due")
    if run.latency is None:
        yield _row("", "none", "nothing arrived")
    else:
        yield from _bars(run.latency)
    right = run.deliveries - run.reordered
    text = f"of {run.deliveries + run.lost:,} deliveries came once, in order and unchanged"
    yield _row("intact", f"{right:,}", text, fg="green" if right == run.deliveries + run.lost else "red")
    for name, count, text in (
        ("lost", run.lost, "never came"),
        ("reordered", run.reordered, "came after a later one of the same publisher"),
        ("duplicated", run.duplicated, "came again, or to their own sender"),
        ("foreign", run.foreign, "were not what was sent"),
        ("closed", run.closed, "connections, by the server"),
    ):
        if count:
            yield _bad(name, count, text)


def _notes(result: Result) -> Iterator[str]:
    plan, check = result.plan, result.check
    if result.throughput is not None and plan.rate is not None:
        wanted = plan.rate * result.throughput.seconds
        if result.throughput.messages < 0.99 * wanted and not result.stopped:
            sent = result.throughput.messages / wanted
            yield _note(f"Only {sent:.0%} of the rate could be sent.")
    if check is not None and check.late is not None and check.late.p99 > LATE:
        late = duration(check.late.p99)
        yield _note(f"One write in a hundred was more than {late} late already when the load sent it, and counts so.")
    if result.stopped:
        yield _note("Ended early.")
    if result.problem:
        yield click.style(f"Not checked: {result.problem}", fg="red")


def _bars(latency: Latency) -> Iterator[str]:
    values = [("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99), ("p99.9", latency.p999)]
    for name, value in [*values, ("max", latency.max)]:
        eighths = max(1, round(8 * BAR * value / latency.max)) if latency.max else 1
        bar = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
        yield _row(name, duration(value), click.style(bar, fg="cyan"), dim=False)


def _fairness(name: str, shares: tuple[float, ...], of: str) -> str:
    fair = Fairness.of(shares)
    return _row(name, f"{fair.jain:.3f}", f"Jain's index of {of}; {fair.least:.1%} to {fair.most:.1%} of the mean")


def _title(name: str, text: str) -> str:
    return f"  {click.style(name, bold=True)}  {click.style(text, dim=True)}"


def _row(name: str, figure: str, text: str, dim: bool = True, fg: str | None = None) -> str:
    shown = click.style(f"{figure:>{FIGURE}}", bold=True, fg=fg)
    return f"    {name:<{NAME}}{shown}  {click.style(text, dim=True) if dim else text}"


def _bad(name: str, count: int, text: str) -> str:
    return _row(name, f"{count:,}", text, fg="red" if count else "green")


def _note(text: str) -> str:
    return click.style(text, fg="yellow")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
