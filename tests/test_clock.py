"""The clock that all parts of a server have."""

from __future__ import annotations

from typing import Any, cast

import pytest
from support.simulation import Loop

from fastserver.clock import Clock


def test_there_is_no_time_before_the_start_nor_after_the_stop() -> None:
    clock, loop, called = Clock(), Loop(), list[int]()
    for _ in range(2):
        for call in (clock.time, lambda: clock.call_soon(print), lambda: clock.call_later(1.0, print)):
            with pytest.raises(RuntimeError, match="the server has not started"):
                call()
        clock.start(cast(Any, loop))
        assert clock.time() == loop.now
        clock.call_soon(called.append, 1)
        clock.call_later(1.0, called.append, 2)
        loop.tick()
        loop.advance(1.0)
        clock.stop()
    assert called == [1, 2, 1, 2]
