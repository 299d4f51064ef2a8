"""The command `fastserver`: its environment, ways to run it, and how one that ends by itself ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support.deadline import DEADLINE

from fastserver.cli import main

COMMAND = [sys.executable, "-m", "fastserver"]

PURE = "no compiled splitters"
"""Text of the one line that a server without compiled splitters writes more than others."""


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


Capture = pytest.CaptureFixture[str]


def attempt_here(capture: Capture, *options: str, **variables: str) -> Ended:
    """The same in this process, which is faster: for commands that end before they have begun."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(environment()):
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main([*options])
    output, errors = capture.readouterr()
    assert isinstance(ended.value.code, int)
    return Ended(ended.value.code, output, errors.splitlines())
