"""Fan-out over loopback beside the yardstick in bare C: processor time of the server per delivery.

pytest bench/test_fanout.py --benchmark-enable
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest
from contest import FASTSERVER, Contestant, Cost, build_yardstick, contestant, run_load
from pytest_benchmark.fixture import BenchmarkFixture

RUNS = 5
SHAPES = [
    # shape, peers, bytes of a message, messages in one write, writes
    ("fanout", 1, 64, 1, 40_000),
    ("fanout", 10, 64, 1, 20_000),
    ("fanout", 100, 64, 1, 3_000),
    ("fanout", 1000, 64, 1, 300),
    ("fanout", 100, 64, 16, 3_000),
    ("fanout", 100, 1024, 16, 2_000),
    ("all-to-all", 20, 64, 1, 3_000),
    ("all-to-all", 100, 64, 1, 300),
    ("all-to-all", 100, 64, 16, 100),
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Contestant]]:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler for the yardstick")
    folder: Path = tmp_path_factory.mktemp("yardstick")
    with ExitStack() as stack:
        yield {
            "fastserver": stack.enter_context(contestant(FASTSERVER)),
            "yardstick": stack.enter_context(contestant(build_yardstick(folder))),
        }


@pytest.mark.parametrize(
    ("shape", "peers", "size", "messages", "rounds"),
    SHAPES,
    ids=[f"{shape}-{size}B-{messages}x{peers}" for shape, peers, size, messages, _ in SHAPES],
)
def test_cost_per_delivery(
    benchmark: BenchmarkFixture,
    servers: dict[str, Contestant],
    shape: str,
    peers: int,
    size: int,
    messages: int,
    rounds: int,
) -> None:
    """Interleaved runs against both; the ratio is that of the medians."""
    chunk = (b"x" * (size - 1) + b"\n") * messages
    costs: dict[str, list[Cost]] = {name: [] for name in servers}

    def run() -> None:
        for name, server in servers.items():
            costs[name].append(run_load(server, shape, peers, chunk, messages, rounds))

    benchmark.group = "fan-out"
    if benchmark.disabled:
        rounds = 10
    benchmark.pedantic(run, rounds=RUNS, warmup_rounds=1)
    ours, yardstick = (median(one.nanoseconds for one in costs[name][1:] or costs[name]) for name in servers)
    benchmark.extra_info["fastserver ns"] = round(ours, 1)
    benchmark.extra_info["yardstick ns"] = round(yardstick, 1)
    benchmark.extra_info["ratio"] = round(ours / yardstick, 3)
    rate = median(one.deliveries / one.seconds for one in costs["fastserver"])
    benchmark.extra_info["deliveries per second"] = round(rate)
