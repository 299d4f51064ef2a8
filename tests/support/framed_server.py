"""A server of ours in the event loop of a test, in any framing, and values to send through it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastserver import Config, Server
from fastserver.framing.registry import framing


@asynccontextmanager
async def framed_server(mode: str, **settings: Any) -> AsyncIterator[str]:
    """A server that speaks `mode`, a framing by its word; gives its address."""
    async with Server(Config(mode=mode, port=0, **settings)) as server:
        yield server.addresses[0]


def line(number: int) -> str:
    """A line that a person types for a message of any mode: JSON, which is as good where payloads are bytes."""
    return f'"message {number}"'


def values(mode: str, count: int) -> list[Any]:
    """The values of so many messages of that mode, which stand for such lines."""
    return [framing(mode).parse(line(number)) for number in range(count)]
