"""Naming handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
from conftest import Run

from fastserver import Config, Message, Peer, Server


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 10.0, **settings}))


def test_what_is_no_handler_is_refused_where_it_is_named() -> None:
    made = server()
    made.on_message(lambda message: None)
    with pytest.raises(ValueError, match="there is a message handler already"):
        made.on_messages(lambda messages: None)
    with pytest.raises(TypeError, match="a disconnect handler must be callable, not int"):
        made.on_disconnect(3)  # type: ignore[type-var]

    def generator(message: Message) -> Iterator[None]:
        yield

    async def asynchronous(peer: Peer) -> AsyncIterator[None]:
        yield

    with pytest.raises(TypeError, match="must not contain yield"):
        made.on_message(generator)
    with pytest.raises(TypeError, match="must not contain yield"):
        made.on_message(partial(generator))
    with pytest.raises(TypeError, match="must not contain yield"):
        made.on_connect(asynchronous)
    assert len(made.handlers.message) == 1
    assert not made.handlers.connect


def test_before_the_start_nothing_can_be_sent_and_after_it_no_handler_named(run: Run) -> None:
    made = server()
    with pytest.raises(RuntimeError, match="the server has not started"):
        made.everyone.broadcast(b"too early")
    with pytest.raises(RuntimeError, match="the server has not started"):
        made.everyone.broadcast_threadsafe(b"too early")

    async def main() -> None:
        async with made:
            with pytest.raises(RuntimeError, match="before the server starts"):
                made.on_message(lambda message: None)

    run(main())
