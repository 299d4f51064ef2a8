"""The terminal client, which the tests start once under each event loop."""

from __future__ import annotations

from functools import partial

import pytest
from support.terminal_client import Program, terminal_client


@pytest.fixture(params=["asyncio.run", "uvloop.run"])
def program(request: pytest.FixtureRequest) -> Program:
    """Starts the terminal client under an event loop."""
    return partial(terminal_client, request.param)
