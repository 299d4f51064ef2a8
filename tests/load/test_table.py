"""A result as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
import pytest
from support.load_result import RESULT

from fastserver.load.latency import Latency
from fastserver.load.result import Result
from fastserver.load.table import duration, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ns"), (1.234e-7, "123 ns"), (85.4e-6, "85.4 µs"), (0.0009996, "1 ms"), (2.5, "2.5 s"), (4321, "4,321 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def rows(result: Result) -> dict[str, str]:
    """The rows of the table, by their names."""
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


def test_table_of_a_clean_result() -> None:
    """Rows for faults are left out."""
    assert RESULT.throughput is not None
    assert RESULT.check is not None
    good = replace(
        RESULT,
        throughput=replace(RESULT.throughput, lost=0, closed=0, unsolicited=0, server=None),
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
