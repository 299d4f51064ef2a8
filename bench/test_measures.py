"""Every measure of fastserver beside its base, as pytest-benchmark runs, named by their numbers.

    pytest bench/test_measures.py --benchmark-enable -k 'cost and 1x100'

A round is one run of each of the two. `extra_info` has the figures; `bench/report.py` has all rivals.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from comparison import Servers, compare, servers
from measures import Measure, Section
from pytest_benchmark.fixture import BenchmarkFixture
from sections import SECTIONS

SECONDS = 0.3
TURNS = 5
CASES = [
    pytest.param(section, measure, id=f"{section.name}-{measure.name}")
    for section in SECTIONS
    for measure in section.measures
]


@pytest.fixture(scope="module")
def pool() -> Iterator[Servers]:
    with servers() as pool:
        yield pool


@pytest.mark.parametrize(("section", "measure"), CASES)
def test_measure(benchmark: BenchmarkFixture, pool: Servers, section: Section, measure: Measure) -> None:
    if benchmark.disabled and measure is not section.measures[0]:
        pytest.skip("one of each kind is enough to see that it runs")
    both = [section.contestants[0], next(one for one in section.contestants if one.name == section.base)]
    if reason := "; ".join(filter(None, (one.missing() for one in both))):
        pytest.skip(reason)
    turns, seconds = (1, 0.02) if benchmark.disabled else (TURNS, SECONDS)
    outcomes = benchmark.pedantic(compare, (section, measure, both, pool), {"turns": turns, "seconds": seconds})
    benchmark.group = section.title
    for name, outcome in outcomes.items():
        assert "failed" not in outcome, outcome
        benchmark.extra_info[name] = outcome["figures"]
    benchmark.extra_info["ratio"] = outcomes[both[0].name]["ratio"]
