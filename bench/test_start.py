"""From the start of the process until it listens, beside a Python that imports uvloop and ends.

    pytest bench/test_start.py --benchmark-enable

The runs take turns; the ratio is that of the quickest, since everything else on the machine only adds. Both have their
bytecode cached, as what is installed has.
"""

from __future__ import annotations

import os
import subprocess
import sys
from time import perf_counter

from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 20
CACHING = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}


def until_listening() -> float:
    """Seconds from the start of `fastserver` until it says where it listens."""
    begun = perf_counter()
    command = (sys.executable, "-m", "fastserver", "--port", "0")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=CACHING) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        seconds = perf_counter() - begun
        server.terminate()
        assert "listening on 127.0.0.1:" in line
        server.stderr.read()
    assert server.returncode == 0
    return seconds


def importing_uvloop() -> float:
    """Seconds that `python -c "import uvloop"` takes."""
    begun = perf_counter()
    subprocess.run((sys.executable, "-c", "import uvloop"), check=True, env=CACHING)
    return perf_counter() - begun


def test_until_it_listens(benchmark: BenchmarkFixture) -> None:
    seconds: dict[str, list[float]] = {"fastserver": [], "import uvloop": []}

    def turn() -> None:
        seconds["fastserver"].append(until_listening())
        seconds["import uvloop"].append(importing_uvloop())

    benchmark.group = "start"
    benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    for name, taken in seconds.items():
        benchmark.extra_info[f"{name}: ms"] = round(min(taken) * 1000, 1)
    benchmark.extra_info["fastserver / import uvloop"] = round(
        min(seconds["fastserver"]) / min(seconds["import uvloop"]), 2
    )
