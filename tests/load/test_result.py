"""What is made of what was measured: latencies, fairness, table, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import click
import pytest

from fastserver.client.address import Address
from fastserver.load.latency import Latency, latency
from fastserver.load.plan import Plan
from fastserver.load.record import COLUMNS, to_csv, to_json
from fastserver.load.result import Check, Fairness, Result, Throughput
from fastserver.load.table import duration, table

RESULT = Result(
    Plan(Address("127.0.0.1", 3000), publishers=2, subscribers=3, processes=1),
    Throughput(
        seconds=2.0,
        messages=1000,
        deliveries=2990,
        lost=10,
        overheard=1000,
        bytes=2990 * 65,
        closed=1,
        sent=(400, 600),
        heard=(1000.0, 1000.0, 990.0),
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


def test_latency() -> None:
    """To three digits, whatever their number."""
    counts = dict.fromkeys(range(1, 100001), 1)
    found = latency(counts)
    assert found is not None
    for value, right in zip(
        (found.p50, found.p90, found.p99, found.p999, found.max), (0.05, 0.09, 0.099, 0.0999, 0.1), strict=True
    ):
        assert value == pytest.approx(right, rel=0.001)
    assert latency({}) is None
    assert latency({0: 5}) == Latency(1e-6, 1e-6, 1e-6, 1e-6, 0.0)


def test_fairness() -> None:
    assert Fairness.of([5, 5, 5]) == Fairness(1.0, 1.0, 1.0)
    assert Fairness.of([0, 0, 0, 4]) == Fairness(0.0, 4.0, 0.25)
    assert Fairness.of([0, 0]).jain == 1.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ns"), (1.234e-7, "123 ns"), (85.4e-6, "85.4 µs"), (0.0009996, "1 ms"), (2.5, "2.5 s"), (4321, "4,321 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def rows(result: Result) -> dict[str, str]:
    """What the table says, by the names of its rows."""
    lines = click.unstyle(table(result)).splitlines()
    return {line[4:18].strip(): line[18:] for line in lines if line.startswith("    ")}


def test_table() -> None:
    text = click.unstyle(table(RESULT))
    assert text.startswith("127.0.0.1:3000, lines: 2 publishers → 3 subscribers, 64 B, flat out\n")
    shown = {name: " ".join(value.split()) for name, value in rows(RESULT).items()}
    assert shown["messages"] == "500 a second"
    assert shown["deliveries"] == "1,495 a second, 0.09717 MB/s"
    assert shown["server"] == "100 ns of processor time for each delivery"
    assert shown["worst gap"].startswith(
        "500 ms the longest time that a subscriber received nothing; 20 ms in the median"
    )
    assert shown["fairness"] == "1.000 Jain's index of subscribers; 99.3% to 100.3% of the mean"
    assert shown[""] == "0.962 Jain's index of publishers; 80.0% to 120.0% of the mean"
    assert shown["max"].split()[:2] == ["1.6", "ms"]
    assert len(shown["max"].split()[2]) == 24
    assert shown["p50"].endswith("█▌")
    assert shown["intact"].startswith("585 of 600 deliveries ")
    for name, count in (("lost", 10), ("reordered", 5), ("duplicated", 4), ("foreign", 3), ("closed", 2)):
        assert shown[name].startswith(f"{count} ")


def test_table_of_what_went_well() -> None:
    """Nothing is said of what did not happen."""
    assert RESULT.throughput is not None
    assert RESULT.check is not None
    good = replace(
        RESULT,
        throughput=replace(RESULT.throughput, lost=0, closed=0, overheard=0, server=None),
        check=replace(RESULT.check, lost=0, reordered=0, duplicated=0, foreign=0, closed=0),
    )
    assert good.clean
    assert not RESULT.clean
    assert set(rows(good)) == {
        *("messages", "deliveries", "lost", "worst gap", "fairness", "", "p50", "p90", "p99", "p99.9", "max", "intact")
    }


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"stopped": True}, "Ended early."),
        ({"problem": "it was gone"}, "Not checked: it was gone"),
        ({"plan": replace(RESULT.plan, rate=1000.0)}, "Only 50% of the rate could be sent."),
    ],
)
def test_notes(change: dict[str, Any], note: str) -> None:
    assert click.unstyle(table(replace(RESULT, **change))).splitlines()[-1] == note


def test_note_of_late_writes() -> None:
    assert RESULT.check is not None
    late = replace(RESULT.check, late=Latency(0.001, 0.002, 0.003, 0.004, 0.005))
    note = click.unstyle(table(replace(RESULT, check=late))).splitlines()[-1]
    assert note.startswith("One write in a hundred was more than 3 ms late ")


def test_json() -> None:
    document = json.loads(to_json(RESULT))
    assert list(document) == ["plan", "throughput", "check", "stopped", "problem", "clean"]
    assert document["plan"]["address"] == "127.0.0.1:3000"
    assert (document["plan"]["rate"], document["plan"]["lockstep"]) == (None, False)
    assert document["throughput"]["receiver_worst_gaps"] == [0.01, 0.02, 0.5]
    assert document["throughput"]["publisher_messages"] == [400, 600]
    assert document["check"]["latency"] == {"p50": 0.0001, "p90": 0.0002, "p99": 0.0003, "p999": 0.0004, "max": 0.0016}
    assert document["clean"] is False
    cut_short = json.loads(to_json(Result(RESULT.plan, stopped=True)))
    assert (cut_short["throughput"], cut_short["check"], cut_short["stopped"]) == (None, None, True)


def test_csv() -> None:
    """A row has the same columns, whatever there is to put into them."""
    text = to_csv(RESULT, header=True) + to_csv(Result(RESULT.plan, stopped=True), header=False)
    whole, empty = csv.DictReader(io.StringIO(text))
    assert tuple(whole) == COLUMNS
    assert (whole["throughput_deliveries"], whole["check_latency_p999"], whole["clean"]) == ("2990", "0.0004", "false")
    assert (empty["throughput_deliveries"], empty["check_latency_p999"], empty["stopped"]) == ("", "", "true")
    assert empty["subscribers"] == "3"
