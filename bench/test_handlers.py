"""What a message costs when a Python function of yours is called with it, beside the usual ways to write it.

    pytest bench/test_handlers.py --benchmark-enable

All servers run on uvloop, each in a process, and hear the same: lines of 64 bytes, sent 64 KiB at a time; a function
that does nothing is called for each. The protocol gives it the bytes, fastserver a message whose bytes are cut out when
it looks at them; so there are servers with a function that does. The rates come from rounds in turn; the ratios are
those of their medians.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest
from contest import FASTSERVER, contestant, run_load
from pytest_benchmark.fixture import BenchmarkFixture

SENDER = """
import socket, sys, time
port, chunks = map(int, sys.argv[1:])
chunk = (b"x" * 63 + b"\\n") * 1024
with socket.create_connection(("127.0.0.1", port)) as sender:
    begun = time.perf_counter()
    for _ in range(chunks):
        sender.sendall(chunk)
    sender.shutdown(1)
    while sender.recv(100):
        pass
    print(time.perf_counter() - begun)
"""
LINE = b"x" * 63 + b"\n"
CHUNK = LINE * 1024
ROUNDS = 9
NAMES = ("streams", "protocol", "fastserver", "fastserver payloads", "fastserver lists", "fastserver lists payloads")


def hear(port: int, chunks: int) -> float:
    """Messages per second at the server on `port`, from the first byte to the end of the connection."""
    command = [sys.executable, "-c", SENDER, str(port), str(chunks)]
    seconds = float(subprocess.run(command, check=True, capture_output=True).stdout)
    return chunks * CHUNK.count(b"\n") / seconds


def test_do_nothing_handler(benchmark: BenchmarkFixture) -> None:
    rates: dict[str, list[float]] = {name: [] for name in NAMES}
    costs: dict[str, list[float]] = {name: [] for name in NAMES}
    chunks = 2 if benchmark.disabled else 1000
    with ExitStack() as stack:
        script = str(Path(__file__).parent / "handling.py")
        servers = {name: stack.enter_context(contestant((sys.executable, script, name))) for name in NAMES}

        def turn() -> None:
            for name, server in servers.items():
                before = server.processor_time()
                rates[name].append(hear(server.port, chunks))
                costs[name].append((server.processor_time() - before) / chunks / CHUNK.count(b"\n") * 1e9)

        benchmark.group = "handlers"
        benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    for name in NAMES:
        benchmark.extra_info[f"{name}: per second"] = round(median(rates[name]))
        benchmark.extra_info[f"{name}: ns of processor time per message"] = round(median(costs[name]), 1)
    for name, other in [("fastserver", "streams"), *((name, "protocol") for name in NAMES[2:])]:
        benchmark.extra_info[f"{name} / {other}: rate"] = round(median(rates[name]) / median(rates[other]), 2)
        # The sender, a Python process, may be what limits the rate.
        benchmark.extra_info[f"{other} / {name}: time"] = round(median(costs[other]) / median(costs[name]), 2)


@pytest.mark.parametrize("messages", [1, 16])
def test_handler_that_broadcasts(benchmark: BenchmarkFixture, messages: int) -> None:
    """A handler that broadcasts each message, to 100 peers, beside the built-in broadcast."""
    costs: dict[str, list[float]] = {"built in": [], "handler": []}
    rounds = 10 if benchmark.disabled else 30_000 // messages
    with ExitStack() as stack:
        script = str(Path(__file__).parent / "handling.py")
        commands = (FASTSERVER, (sys.executable, script, "fastserver broadcast"))
        servers = [stack.enter_context(contestant(command)) for command in commands]

        def turn() -> None:
            for name, server in zip(costs, servers, strict=True):
                costs[name].append(run_load(server, "fanout", 100, LINE * messages, messages, rounds).nanoseconds)

        benchmark.group = "handlers"
        benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    for name in costs:
        benchmark.extra_info[f"{name}: ns of processor time per delivery"] = round(median(costs[name]), 1)
    benchmark.extra_info["handler / built in"] = round(median(costs["handler"]) / median(costs["built in"]), 2)
