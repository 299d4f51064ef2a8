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


def test_no_import_is_left_out() -> None:
    """No exception for an import, and those for type checkers count."""
    settings = SETTINGS.read_text().partition("[tool.importlinter]")[2]
    assert settings
    assert "ignore_imports" not in settings
    assert "exclude_type_checking_imports" not in settings
