"""The command as a user runs it: a process of its own, found by its log, stopped by a signal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from support.program import DEADLINE, Program

COMMAND = [sys.executable, "-m", "fastserver"]

PURE = "no compiled splitters"
"""What the one line says that a server without compiled splitters writes more than others."""


def environment(**more: str) -> dict[str, str]:
    """The environment of a test's server: ours, without settings for servers but those given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FASTSERVER_") or name == "FASTSERVER_PURE_PYTHON"
    }
    return kept | more


def prepared(code: str) -> tuple[str, ...]:
    """A wrapper that runs the command in a Python that ran `code` first."""
    return (sys.executable, "-c", f"import sys\n{code}\nfrom fastserver.cli import main\nmain(sys.argv[4:])")


def standard_loop() -> tuple[str, ...]:
    """A wrapper that runs the command without uvloop."""
    return prepared("sys.modules['uvloop'] = None")


class Ended(NamedTuple):
    """How a command ended. `errors` are the lines it wrote to standard error."""

    code: int
    output: str
    errors: list[str]


def attempt(*options: str, folder: Path, **variables: str) -> Ended:
    """Run a command that ends by itself."""
    done = subprocess.run(
        [*COMMAND, *options],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    return Ended(done.returncode, done.stdout, [line for line in done.stderr.splitlines() if PURE not in line])


class Connection:
    """A TCP or Unix connection of the test's own. Reads fail the test when they take too long."""

    def __init__(self, address: tuple[str, int] | str, receive_buffer: int | None = None) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        if isinstance(address, tuple) and ":" in address[0]:
            family = socket.AF_INET6
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        self._read = b""
        try:
            self.socket.connect(address)
        except BaseException:
            self.socket.close()
            raise

    @property
    def name(self) -> str:
        """Its own address, as the server shows it."""
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.socket.sendall(data)

    def read(self, size: int) -> bytes:
        """The next `size` bytes."""
        parts = [self._read]
        held = len(self._read)
        while held < size:
            chunk = self.socket.recv(1024 * 1024)
            if not chunk:
                raise AssertionError(f"the stream ended after {held} of {size} bytes")
            parts.append(chunk)
            held += len(chunk)
        data = b"".join(parts)
        self._read = data[size:]
        return data[:size]

    def read_line(self) -> bytes:
        """The next line, with its end."""
        while b"\n" not in self._read:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise AssertionError(f"the stream ended in the line {self._read!r}")
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line + b"\n"

    def read_to_end(self) -> bytes:
        """Everything up to the end of the stream, or to a reset."""
        parts = [self._read]
        self._read = b""
        try:
            while chunk := self.socket.recv(1024 * 1024):
                parts.append(chunk)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def end(self) -> None:
        """Send no more, but go on receiving."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close it both ways."""
        self.socket.close()


class RunningServer(Program):
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
        """A connection that the server has let in. It is closed with the server at the latest."""
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
        found = self.errors.wait_for(r"listening on (\S+), mode (lines|msgpack|msgpack-stream)\b")[1].decode()
        if found.startswith("unix:"):
            return found.removeprefix("unix:")
        host, _, port = found.rpartition(":")
        return host.strip("[]"), int(port)


@contextmanager
def unread(
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
