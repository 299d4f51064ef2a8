"""No memory: an allocation that fails anywhere in a tick costs nobody but those whom it was for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fastserver.compiled import COMPILED

SCRIPT = Path(__file__).parents[1] / "nomemory.py"


@pytest.mark.skipif(not COMPILED, reason="without compiled numbers there are too many allocations to undo")
def test_whatever_allocation_fails_no_byte_is_wrong_and_the_books_are_right() -> None:
    """Every 37th allocation fails here; the script does all of them, and says how to run it under AddressSanitizer."""
    pytest.importorskip("_testcapi", reason="CPython's test helper, which fails allocations, is not installed")
    done = subprocess.run([sys.executable, str(SCRIPT), "37"], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "block: " in done.stdout
