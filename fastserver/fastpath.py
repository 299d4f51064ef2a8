"""The fast path: what happens to each message between the read that brings it and the writes that pass it on.

`Endpoint`, `Collector` and `Tick` are the bases of `Peer`, `Channel` and `Flush`. Each file under `fastserver/twins/`
that has one is its own twin: the source of the compiled module, with the types in the `.pxd` of that name under
`ext/fastserver/`, and what serves as Python where no compiler is. A field or a method that is new there has to be named
in the `.pxd` too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastserver.twins.batch import Batch, Collector, Member
from fastserver.twins.endpoint import READ_SIZE, Endpoint
from fastserver.twins.tick import NEVER, Tick

__all__ = ["COMPILED", "NEVER", "READ_SIZE", "Batch", "Collector", "Endpoint", "Member", "Tick"]

COMPILED = False
"""Whether all of it is compiled: the compiled ones know each other alone."""

if not TYPE_CHECKING and os.environ.get("FASTSERVER_PURE_PYTHON") != "1":
    try:
        from fastserver import _batch, _endpoint, _tick
    except ImportError:
        pass
    else:
        COMPILED = True
        Batch, Collector, Member = _batch.Batch, _batch.Collector, _batch.Member
        Endpoint, Tick = _endpoint.Endpoint, _tick.Tick
