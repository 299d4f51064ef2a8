"""Settings of a client: names, sizes, and values that are not allowed."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from fastserver.client.client import connect
from fastserver.errors import ConfigError


def generator(client: object) -> Any:
    yield client


@pytest.mark.parametrize(
    "options",
    [
        {"address": "nowhere"},
        {"address": 3000},
        {"mode": "csv"},
        {"mode": ["lines"]},
        {"max_message": 0},
        {"max_message": "much"},
        {"max_message": True},
        {"max_queue": 0},
        {"max_queue": 1.5},
        {"close_timeout": -1},
        {"close_timeout": "5"},
        {"close_timeout": None},
        {"first_delay": -1},
        {"first_delay": float("nan")},
        {"first_delay": float("inf")},
        {"first_delay": "0.1"},
        {"first_delay": 2, "longest_delay": 1},
        {"longest_delay": True},
        {"ssl": True},
        {"server_hostname": "localhost"},
        {"ssl": ssl.create_default_context(), "address": "unix:x"},
        {"on_connect": "login"},
        {"on_connect": generator},
        {"on_disconnect": asyncio.sleep},
        {"default": list},  # in mode lines
        {"default": 5, "mode": "msgpack"},
    ],
    ids=lambda options: " ".join(options),
)
def test_settings_that_are_not_allowed(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(options))} .*is not allowed"):
        connect(**{"address": "127.0.0.1:3000", **options})


def test_sizes_as_text() -> None:
    client = connect("127.0.0.1:3000", max_message="64KiB", max_queue="1 MiB")
    assert (client._form.max_message, client._conversation.incoming.most) == (65536, 1 << 20)
