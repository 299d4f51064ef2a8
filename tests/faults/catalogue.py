"""All faults, in one place."""

from __future__ import annotations

from typing import Final

from faults import crowds, garbage, leaving, stuck, vanishing
from faults.fault import FAULTS as FAULTS

MODULES: Final = (stuck, garbage, crowds, leaving, vanishing)
"""Where faults are. To import them adds theirs to `FAULTS`."""
