"""Starts examples as a user runs them, each a process of its own, and connects to them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest
from conftest import StartProgram
from support.child_process import ChildProcess
from support.command import environment
from support.connection import Connection
from support.examples import Connect, Start


@pytest.fixture
def example(start_program: StartProgram) -> Iterator[Start]:
    """Starts examples. In the end Ctrl-C must stop each, and no handler may have failed."""
    started: list[ChildProcess] = []

    def start(name: str) -> int:
        python = start_program(
            sys.executable, "-m", f"fastserver.examples.{name}", "--port", "0", environment=environment()
        )
        started.append(python)
        where = python.output if name == "embed" else python.errors
        return int(where.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1])

    yield start
    for one in started:
        one.signal(signal.SIGINT)
        code = one.wait()
        errors = one.errors.wait_for_end().decode()
        assert code == 0, errors
        assert "failed" not in errors
        assert "Traceback" not in errors


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connects to a port. The connections are closed after the test."""
    connections: list[Connection] = []

    def to(port: int) -> Connection:
        connections.append(Connection(("127.0.0.1", port)))
        return connections[-1]

    yield to
    for one in connections:
        one.close()
