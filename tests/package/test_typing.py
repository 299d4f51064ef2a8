"""Type checkers say nothing to users of the library whose code is right, and something to each mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.requirements import skip_or_fail

FOLDER = Path(__file__).with_name("typing")
CHECKOUT = FOLDER.parents[2]

CHECKERS = {
    "mypy": ("--strict",),
    "pyright": ("--pythonpath", sys.executable, "--project"),
}


@pytest.mark.parametrize("name", CHECKERS)
def test_type_checkers(name: str) -> None:
    """Ignored mistakes included: both are told to object to an ignore that hides nothing."""
    if find_spec(name) is None:
        skip_or_fail(f"{name} is not installed: pip install 'fastserver[dev]'")
    done = subprocess.run(
        [sys.executable, "-m", name, *CHECKERS[name], FOLDER],
        cwd=CHECKOUT,
        env={**os.environ, "MYPYPATH": str(CHECKOUT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
