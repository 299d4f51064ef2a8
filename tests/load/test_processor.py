"""Processors kept apart, and the processor time of another process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fastserver.load.processor import halves, processor_time, running_on

if sys.platform != "linux":
    pytest.skip("only Linux tells", allow_module_level=True)


def test_halves() -> None:
    """Together they are what there is, and have nothing in common where there are several."""
    usable = os.sched_getaffinity(0)
    server, load = halves()
    assert server | load == usable
    assert len(usable) == 1 or not server & load


def test_what_is_started_runs_there() -> None:
    usable = os.sched_getaffinity(0)
    with running_on(halves().server):
        told = subprocess.check_output([sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"], text=True)
    assert told.strip() == str(set(halves().server))
    assert os.sched_getaffinity(0) == usable


def test_processor_time_grows_with_work() -> None:
    """All threads count, those that have ended too."""
    work = "import threading; t = threading.Thread(target=lambda: sum(range(3_000_000))); t.start(); t.join(); "
    program = [sys.executable, "-c", f"{work}print(flush=True); input(); {work}print(flush=True); input()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        before = processor_time(process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        after = processor_time(process.pid)
        process.stdin.write(b"\n")
    assert 0 < before < after
    with pytest.raises(ProcessLookupError):
        processor_time(process.pid)
