"""A program that a test runs: what it is given to read, what it has written so far, and how it ends.

Nothing here sleeps to let something happen. Every wait is for something the program does, and fails the test
when that has not happened by a deadline far beyond what it takes.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from support.deadline import DEADLINE


class Output:
    """The bytes that came out of a pipe so far. A thread reads them, so that the writer is never held up.

    A wait sees only what no earlier `wait_for` has gone past, unless it says otherwise.
    """

    def __init__(self, name: str, pipe: IO[bytes]) -> None:
        self.data = b""
        self.ended = False
        self._name = name
        self._pipe = pipe
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name=f"read {name}", daemon=True).start()

    def __str__(self) -> str:
        return self.data.decode("utf-8", "backslashreplace")

    @property
    def lines(self) -> list[str]:
        """The lines so far, without their ends."""
        return str(self).splitlines()

    def wait_for(self, pattern: str) -> re.Match[bytes]:
        """The first match of the regular expression `pattern`, as soon as there is one."""
        compiled = re.compile(pattern.encode(), re.MULTILINE)
        self._wait(lambda: compiled.search(self.data) is not None, f"{pattern!r}")
        found = compiled.search(self.data)
        assert found is not None
        return found

    def wait_for_bytes(self, expected: bytes) -> None:
        """Return as soon as everything so far is `expected`; fail as soon as it cannot become that."""
        self._wait(lambda: self.data == expected or not expected.startswith(self.data), f"all of {_short(expected)}")
        assert self.data == expected

    def wait_for_count(self, pattern: str, count: int) -> None:
        """Return as soon as `pattern` has been found that many times."""
        compiled = re.compile(pattern.encode(), re.MULTILINE)
        self._wait(lambda: len(compiled.findall(self.data)) >= count, f"{count} times {pattern!r}")

    def wait_for_end(self) -> bytes:
        """Everything, once the writer has closed it."""
        deadline = time.monotonic() + DEADLINE
        with self._changed:
            while not self.ended:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise AssertionError(f"{self._name} has not ended; it has {_short(self.data)}")
            return self.data

    def _wait(self, happened: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE
        with self._changed:
            while not happened():
                if self.ended:
                    raise AssertionError(f"{self._name} ended without {what}; it has {_short(self.data)}")
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise AssertionError(f"no {what} from {self._name}; it has {_short(self.data)}")

    def _read(self) -> None:
        descriptor = self._pipe.fileno()
        while True:
            try:
                chunk = os.read(descriptor, 65536)
            except OSError:  # a terminal whose program has ended
                chunk = b""
            with self._changed:
                self.data += chunk
                self.ended = not chunk
                self._changed.notify_all()
            if not chunk:
                self._pipe.close()
                return


class ChildProcess:
    """A running program. `output` and `errors` are what it wrote to standard output and standard error.

    With a `terminal`, all three of its streams are one, and `output` is what a person would see.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        terminal: bool = False,
    ) -> None:
        self.name = Path(arguments[0]).name
        self.output: Output
        self.errors: Output
        self._input: IO[bytes]
        if terminal:
            self._start_in_terminal(arguments, folder, environment)
        else:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(
                arguments, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder, env=environment, bufsize=0
            )
            assert self.process.stdin
            assert self.process.stdout
            assert self.process.stderr
            self._input = self.process.stdin
            self.output = Output(f"the output of {self.name}", self.process.stdout)
            self.errors = Output(f"the errors of {self.name}", self.process.stderr)

    def _start_in_terminal(
        self, arguments: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None
    ) -> None:
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))  # rows, columns
        try:
            self.process = subprocess.Popen(
                arguments,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self._input = os.fdopen(os.dup(ours), "wb", buffering=0)
        self.output = self.errors = Output(f"the terminal of {self.name}", os.fdopen(ours, "rb", buffering=0))

    def type(self, data: bytes) -> None:
        """Give it `data` to read."""
        while data:
            data = data[self._input.write(data) :]

    def end_input(self) -> None:
        """Let it read the end of its input."""
        self._input.close()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended") from None

    def kill(self) -> None:
        """End it, however it is, and wait until all it wrote has been read."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        self._input.close()
        self.output.wait_for_end()
        self.errors.wait_for_end()


def _short(data: bytes) -> str:
    shown = data if len(data) <= 4000 else data[:2000] + b" [...] " + data[-2000:]
    return f"{len(data)} bytes: {shown.decode('utf-8', 'backslashreplace')}"
