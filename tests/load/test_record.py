"""A result as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json

from support.load_result import RESULT

from fastserver.load.record import COLUMNS, to_csv, to_json
from fastserver.load.result import Result


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
