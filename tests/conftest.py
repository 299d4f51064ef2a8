"""Fixtures that start the command and other programs, and end all they started; and the event loops."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import uvloop
from support.accepted import Client
from support.child_process import ChildProcess
from support.server_process import ServerProcess


def pytest_configure() -> None:
    """Heed the signals that the tests send, also where a shell (a job in the background) or nohup has them ignored:
    the programs that tests start inherit it.
    """
    for number, action in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, action)


class Serve(Protocol):
    """Starts a server on a free port of 127.0.0.1 with these options; environment variables by keyword."""

    def __call__(self, *options: str, wrapper: tuple[str, ...] = (), **variables: str) -> ServerProcess: ...


class StartProgram(Protocol):
    """Starts a program."""

    def __call__(
        self, *arguments: str | Path, terminal: bool = False, environment: dict[str, str] | None = None
    ) -> ChildProcess: ...


Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine on an event loop and gives what it returns."""

RUN_DEADLINE = 30.0
"""Seconds after which a test that runs on an event loop has failed."""


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's coroutine on an event loop: the test is done once on uvloop and once on the standard one."""

    def within_deadline(main: Coroutine[Any, Any, Any]) -> Any:
        async def whole() -> Any:
            try:
                return await asyncio.wait_for(main, RUN_DEADLINE)
            finally:
                await Client.close_all()

        return request.param(whole())

    return within_deadline


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers. Servers that a test has not stopped are stopped by SIGTERM after it, and must exit 0."""
    with ExitStack() as stack:

        def start(*options: str, wrapper: tuple[str, ...] = (), **variables: str) -> ServerProcess:
            named = any(option in options for option in ("--port", "--unix", "--listen"))
            if not (named or "FASTSERVER_PORT" in variables or "FASTSERVER_LISTEN" in variables):
                options = ("--port", "0", *options)
            server = ServerProcess(options, tmp_path, wrapper, **variables)
            stack.callback(server.kill)
            stack.callback(lambda: None if server.stopped else server.stop())
            return server

        yield start


@pytest.fixture
def start_program(tmp_path: Path, serve: Serve) -> Iterator[StartProgram]:
    """Starts programs in the test's folder. Programs that run after it are killed before the servers stop."""
    with ExitStack() as stack:

        def start(
            *arguments: str | Path, terminal: bool = False, environment: dict[str, str] | None = None
        ) -> ChildProcess:
            program = ChildProcess(arguments, folder=tmp_path, environment=environment, terminal=terminal)
            stack.callback(program.kill)
            return program

        yield start
