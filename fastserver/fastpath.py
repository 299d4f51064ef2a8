"""The fast path: the compiled one, or its twin, of which it is made, where there is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

__all__ = ["READ_SIZE", "Batch", "Collector", "Endpoint", "Member", "Tick"]

from fastserver.twins.fastpath import READ_SIZE, Batch, Collector, Endpoint, Member, Tick

if not TYPE_CHECKING and os.environ.get("FASTSERVER_PURE_PYTHON") != "1":
    from contextlib import suppress

    with suppress(ImportError):
        from fastserver._fastpath import Batch, Collector, Endpoint, Member, Tick
