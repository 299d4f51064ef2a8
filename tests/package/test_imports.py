"""Modules import only from the rooms below their own, and never in a circle: the contracts in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

SETTINGS = Path(__file__).parents[2] / "pyproject.toml"

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
"""Run by a process of its own: it changes the loggers of the one that it runs in."""


def test_the_import_rules_are_kept() -> None:
    command = [sys.executable, "-c", LINT, "--config", str(SETTINGS), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
