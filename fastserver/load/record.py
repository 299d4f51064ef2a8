"""A result for programs to read: JSON, or a row of CSV. Times are in seconds, sizes in bytes."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any, Final

from fastserver.load.plan import Plan
from fastserver.load.result import Check, Fairness, Result, Throughput

_PLAN: Final = (
    "address",
    "mode",
    "publishers",
    "subscribers",
    "all_to_all",
    "size",
    "batch",
    "rate",
    "lockstep",
    "duration",
    "check",
    "processes",
)
_THROUGHPUT: Final = (
    "seconds",
    "messages",
    "messages_per_second",
    "deliveries",
    "deliveries_per_second",
    "bytes",
    "lost",
    "unsolicited",
    "closed",
    "worst_gap",
    "receiver_fairness",
    "publisher_fairness",
    "load_processor_seconds",
    "server_processor_seconds",
    "server_processor_seconds_per_delivery",
)
_CHECK: Final = (
    "rate",
    "seconds",
    "messages",
    "deliveries",
    "lost",
    "reordered",
    "duplicated",
    "foreign",
    "closed",
    *(f"{what}_{at}" for what in ("latency", "late") for at in ("p50", "p90", "p99", "p999", "max")),
)
COLUMNS: Final = (
    *_PLAN,
    *(f"throughput_{name}" for name in _THROUGHPUT),
    *(f"check_{name}" for name in _CHECK),
    "stopped",
    "problem",
    "clean",
)
"""The columns of a row of CSV."""


def to_json(result: Result) -> str:
    """The whole result, with the shares and gaps of each connection."""
    run, check = result.throughput, result.check
    document: dict[str, Any] = {"plan": _plan(result.plan), "throughput": None, "check": None}
    if run is not None:
        shares = {"receiver_deliveries": run.received, "receiver_worst_gaps": run.gaps, "publisher_messages": run.sent}
        document["throughput"] = _throughput(run) | shares
    if check is not None:
        document["check"] = asdict(check)
    parts = (f"{json.dumps(name)}: {json.dumps(part)}" for name, part in (document | _end(result)).items())
    return "{\n  " + ",\n  ".join(parts) + "\n}\n"


def to_csv(result: Result, header: bool) -> str:
    """A row, below the names of the columns if `header`; cells without a value stay empty."""
    run, check = result.throughput, result.check
    row = [
        *(_plan(result.plan)[name] for name in _PLAN),
        *(_throughput(run)[name] if run else None for name in _THROUGHPUT),
        *(_check(check).get(name) if check else None for name in _CHECK),
        *_end(result).values(),
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    writer.writerow([str(value).lower() if isinstance(value, bool) else value for value in row])
    return text.getvalue()


def _plan(plan: Plan) -> dict[str, Any]:
    known = {"address": str(plan.address), "mode": plan.wire.name, "all_to_all": bool(plan.all_to_all)}
    known |= {"publishers": plan.senders, "subscribers": plan.receivers}
    return {name: known[name] if name in known else getattr(plan, name) for name in _PLAN}


def _throughput(run: Throughput) -> dict[str, Any]:
    known = {
        "worst_gap": max(run.gaps),
        "receiver_fairness": Fairness.of(run.received).jain,
        "publisher_fairness": Fairness.of(run.sent).jain,
        "load_processor_seconds": sum(run.busy),
        "server_processor_seconds": run.server,
        "server_processor_seconds_per_delivery": run.server_per_delivery,
    }
    return {name: known[name] if name in known else getattr(run, name) for name in _THROUGHPUT}


def _check(check: Check) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in asdict(check).items():
        flat |= {f"{name}_{at}": part for at, part in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _end(result: Result) -> dict[str, Any]:
    return {"stopped": result.stopped, "problem": result.problem or None, "clean": result.clean}
