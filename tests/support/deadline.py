"""How long a test waits for what must happen."""

from typing import Final

DEADLINE: Final = 60.0
"""Seconds after which a wait has failed: far more than anything takes, on a machine however slow."""
