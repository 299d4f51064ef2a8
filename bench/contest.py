"""Servers as processes to be measured: each alone on a processor, with its processor time and its memory."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fastserver.load.errors import LoadError
from fastserver.load.processor import halves, processor_time, running_on
from fastserver.load.wire import Wire

SERVER, LOAD = halves()
"""The processor of every server, and those of the load."""
CACHING: Final = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
"""Python programs have their bytecode cached, as those that are installed have."""
DEADLINE: Final = 20.0
"""Seconds a server has to start, and to stop."""


class NotStarted(Exception):
    """A server did not start."""


@dataclass(frozen=True)
class Contestant:
    """A server that can be started, and everything that has to be known for that.

    `command` gives its command line for a folder of its own and a port. `missing` names the program that is not
    installed, or is "".
    """

    name: str
    wire: Wire
    """Its protocol."""
    command: Callable[[Path, int], Sequence[str]]
    missing: Callable[[], str]
    version: Callable[[], str]
    install: str
    """The command that installs it."""
    settings: str
    """The settings it runs with, and why."""
    max_peers: int = 65536
    """Most connections it can serve."""
    backlog: int = 1000
    """Connections that may be made at once; of more it would leave some waiting for seconds."""


class Running:
    """A contestant's process. `started` is the seconds from its start until it accepted a connection."""

    def __init__(self, contestant: Contestant, folder: Path) -> None:
        self.name = contestant.name
        self.wire = contestant.wire
        self.backlog = contestant.backlog
        self.notes: dict[str, float] = {}
        """Findings about it that need not be made again."""
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        command = contestant.command(folder, self.port)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            begun = time.perf_counter()
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=CACHING,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                preexec_fn=_run_alone,
            )
        try:
            self._wait_until_it_listens(begun + DEADLINE)
        except BaseException:
            self.stop()
            raise
        self.started = time.perf_counter() - begun

    def processor_time(self) -> float:
        """Seconds of processor time of all its threads, those that ended too."""
        return processor_time(self.process.pid)

    def resident(self) -> int:
        """Bytes of memory it has resident."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def most_resident(self) -> int:
        """Bytes of memory it ever had resident at most."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    def wait_for_connections(self, count: int) -> None:
        """Return when it has taken on so many. Raises `LoadError` if it does not."""
        deadline = time.perf_counter() + DEADLINE
        while len(os.listdir(f"/proc/{self.process.pid}/fd")) < count:
            if time.perf_counter() > deadline:
                raise LoadError(f"{self.name} did not take on {count} connections")
            time.sleep(0.01)

    def wait_until_quiet(self) -> None:
        """Return when it has nothing left to do: when it ran less than 1 % of 50 ms."""
        deadline = time.perf_counter() + DEADLINE
        before = self.processor_time()
        while time.perf_counter() < deadline:
            time.sleep(0.05)
            now = self.processor_time()
            if now - before < 0.0005:
                return
            before = now

    def stop(self) -> None:
        """End the process. Messages that it has not delivered are of no interest."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_until_it_listens(self, deadline: float) -> None:
        while True:
            with suppress(ConnectionRefusedError):
                socket.create_connection(self.address, DEADLINE).close()
                return
            if self.process.poll() is not None or time.perf_counter() > deadline:
                log = self.log.read_text("utf-8", "backslashreplace")[-2000:]
                raise NotStarted(f"{self.name} did not start: {log or self.process.poll()}")
            time.sleep(0.0005)


def _run_alone() -> None:
    """Before the program begins, since many a server starts a thread for each processor that it may run on."""
    os.sched_setaffinity(0, SERVER)


@contextmanager
def running(contestant: Contestant) -> Iterator[Running]:
    """The contestant running, on the processor that is for servers. Raises `NotStarted`."""
    with TemporaryDirectory(prefix="contest-") as folder:
        server = Running(contestant, Path(folder))
        try:
            yield server
        finally:
            server.stop()


def away_from_servers() -> AbstractContextManager[None]:
    """Have this process run on the processors of the load."""
    return running_on(LOAD)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
