"""Fixtures that start the command and other programs, and end all they started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from support.program import Program
from support.running import RunningServer


class Serve(Protocol):
    """Starts a server on a free port of 127.0.0.1 with these options; environment variables by keyword."""

    def __call__(self, *options: str, wrapper: tuple[str, ...] = (), **variables: str) -> RunningServer: ...


class Run(Protocol):
    """Starts a program."""

    def __call__(
        self, *arguments: str | Path, terminal: bool = False, environment: dict[str, str] | None = None
    ) -> Program: ...


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers. Those a test has not stopped are stopped by SIGTERM after it, and must exit 0."""
    with ExitStack() as stack:

        def start(*options: str, wrapper: tuple[str, ...] = (), **variables: str) -> RunningServer:
            named = any(option in options for option in ("--port", "--unix", "--listen"))
            if not (named or "FASTSERVER_PORT" in variables or "FASTSERVER_LISTEN" in variables):
                options = ("--port", "0", *options)
            server = RunningServer(options, tmp_path, wrapper, **variables)
            stack.callback(server.kill)
            stack.callback(lambda: None if server.stopped else server.stop())
            return server

        yield start


@pytest.fixture
def run(tmp_path: Path, serve: Serve) -> Iterator[Run]:
    """Starts programs in the test's folder. Those running after it are killed before the servers stop."""
    with ExitStack() as stack:

        def start(*arguments: str | Path, terminal: bool = False, environment: dict[str, str] | None = None) -> Program:
            program = Program(arguments, folder=tmp_path, environment=environment, terminal=terminal)
            stack.callback(program.kill)
            return program

        yield start
