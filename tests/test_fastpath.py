"""The fast path: the compiled one is what its twin is. What both do is tested by everything that uses a server."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import pytest

from fastserver import Channel, Peer
from fastserver.flush import Flush
from fastserver.twins import fastpath as twin

compiled: Any = None
with suppress(ImportError):  # the last test fails then, unless twins were asked for
    from fastserver import _fastpath as compiled


@pytest.mark.parametrize("kind", ["Batch", "Collector", "Endpoint", "Member", "Stretch", "Tick"])
def test_the_compiled_one_has_every_field_of_the_twin(kind: str) -> None:
    if compiled is None:
        pytest.skip("not compiled")
    fields = set(getattr(twin, kind).__slots__)
    assert fields <= set(dir(getattr(compiled, kind)))


def test_the_compiled_one_is_used_unless_the_twin_is_asked_for() -> None:
    used: Any = twin if os.environ.get("FASTSERVER_PURE_PYTHON") == "1" else compiled
    assert issubclass(Peer, used.Endpoint)
    assert issubclass(Channel, used.Collector)
    assert issubclass(Flush, used.Tick)
