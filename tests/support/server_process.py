"""A server as a user runs it: a process of its own, found by its log, stopped by a signal."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.child_process import ChildProcess
from support.command import COMMAND, environment
from support.connection import Connection
from support.deadline import DEADLINE


class ServerProcess(ChildProcess):
    """A server that listens. `log` is what it has written to standard error so far."""

    def __init__(self, options: Sequence[str], folder: Path, wrapper: Sequence[str] = (), **variables: str) -> None:
        super().__init__([*wrapper, *COMMAND, *options], folder=folder, environment=environment(**variables))
        self.connections: list[Connection] = []
        self.stopped = False
        try:
            self.address = self._listening()
        except BaseException:
            self.kill()
            raise

    @property
    def log(self) -> str:
        return str(self.errors)

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        assert isinstance(self.address, tuple)
        return self.address[1]

    def connect(self, receive_buffer: int | None = None) -> Connection:
        """A connection that the server has let in. The connection is closed with the server at the latest."""
        connection = Connection(self.address, receive_buffer)
        self.connections.append(connection)
        if isinstance(self.address, tuple):
            self.errors.wait_for(f" {re.escape(connection.name)} connected")
        return connection

    def wait_for_peers(self, count: int) -> None:
        """Return when that many peers were let in since it started."""
        self.errors.wait_for_count(" peer [0-9]+ .* connected$", count)

    def report(self) -> list[str]:
        """The lines of a report made now."""
        before = self.log.count(" peers connected, ")
        self.signal(signal.SIGUSR1)
        self.errors.wait_for_count(" peers connected, ", before + 1)
        self.connect().close()  # its line in the log comes after all of the report
        lines = [line for line in self.errors.lines if " report: " in line]
        starts = [number for number, line in enumerate(lines) if " peers connected, " in line]
        return lines[starts[before] :]

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Stop it by a signal, close our connections, and give its whole log; it must exit 0."""
        self.signal(number)
        for connection in self.connections:
            connection.close()
        code = self.wait()
        log = self.whole_log()
        assert code == 0, f"exit code {code}; the log: {log}"
        return log

    def whole_log(self) -> str:
        """All it wrote, once it has ended of its own accord."""
        self.stopped = True
        return self.errors.wait_for_end().decode("utf-8", "backslashreplace")

    def kill(self) -> None:
        """End it and our connections, however they are."""
        super().kill()
        for connection in self.connections:
            connection.close()

    def _listening(self) -> tuple[str, int] | str:
        found = self.errors.wait_for(r"listening on (\S+), mode [a-z]")[1].decode()
        if found.startswith("unix:"):
            return found.removeprefix("unix:")
        host, _, port = found.rpartition(":")
        return host.strip("[]"), int(port)


@contextmanager
def server_with_unread_log(
    *options: str, folder: Path, wrapper: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[bytes], int, socket.socket]]:
    """A server whose log is read no further than to its start: process, port and the log's other end."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(
                [*wrapper, *COMMAND, "--port", "0", *options], cwd=folder, env=environment(), stderr=theirs
            )
        try:
            ours.settimeout(DEADLINE)
            start = b""
            while not (found := re.search(rb"listening on 127\.0\.0\.1:(\d+),", start)):
                chunk = ours.recv(1000)
                assert chunk, start
                start += chunk
            yield process, int(found[1]), ours
        finally:
            process.kill()
            process.wait()
