"""Requirements of tests that may be missing. Without them the test is skipped; in CI it fails: there it must run."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

SYSTEM = os.pathsep.join(("/usr/sbin", "/sbin", "/usr/games"))
"""Where programs lie that a user's PATH may leave out."""


def required_program(name: str, package: str) -> str:
    """The path of the program `name`, which `package` installs."""
    path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), SYSTEM)))
    if path is None:
        skip_or_fail(f"the program {name} is not installed: it comes with the package {package}")
    return path


def required_module(name: str, package: str = "") -> Any:
    """The Python module `name`, which `package` installs, or the package of its name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        skip_or_fail(f"the Python package {package or name} is not installed")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, or fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def required_node_package(name: str) -> str:
    """Where npm put that package: FASTSERVER_NODE_MODULES is what was given to `npm install --prefix`."""
    folder = Path(os.environ.get("FASTSERVER_NODE_MODULES", ""), "node_modules")
    if not folder.is_absolute() or not (folder / name).is_dir():
        skip_or_fail(f'the npm package {name} is not there: npm install --prefix "$FASTSERVER_NODE_MODULES" {name}')
    return str(folder)


def required_command(arguments: Sequence[str], package: str) -> None:
    """Have a command that succeeds only if `package` is installed."""
    if subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        skip_or_fail(f"{' '.join(arguments)} fails: it needs the package {package}")


def required_syslog_ng() -> tuple[list[str], dict[str, str]]:
    """How syslog-ng is started, and in which environment. Its package conflicts with rsyslog's: FASTSERVER_SYSLOG_NG is
    where it was unpacked by `dpkg-deb -x`.
    """
    folder = Path(os.environ.get("FASTSERVER_SYSLOG_NG", ""))
    modules = next(folder.glob("usr/lib/syslog-ng/*/libafsocket.so"), None) if folder.is_absolute() else None
    if modules is None:
        skip_or_fail("syslog-ng is not there: unpack the package syslog-ng-core into FASTSERVER_SYSLOG_NG")
    program = [str(folder / "usr/sbin/syslog-ng"), f"--module-path={modules.parent}"]
    return program, {"LD_LIBRARY_PATH": str(modules.parent.parent)}
