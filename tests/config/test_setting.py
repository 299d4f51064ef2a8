"""A setting: what it accepts as text, and what it says when it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from fastserver.config.config import SETTINGS
from fastserver.config.setting import GIB, KIB, MIB
from fastserver.errors import ConfigError

BY_NAME = {setting.name: setting for setting in SETTINGS}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_message", "1", 1),
        ("max_message", "64KiB", 64 * KIB),
        ("max_message", "64 kib", 64 * KIB),
        ("max_message", "2M", 2 * MIB),
        ("max_message", " 1gib ", GIB),
        ("port", "0", 0),
        ("drain_timeout", "1.5", 1.5),
        ("drain_timeout", "2s", 2.0),
        ("echo", "on", True),
        ("echo", "0", False),
        ("mode", "msgpack", "msgpack"),
        ("deny", " 10.0.0.0/8  ::1", ("10.0.0.0/8", "::1")),
        ("max_peers", "off", None),
        ("idle_timeout", " Off ", None),
        ("max_peers", "7", 7),
        ("keepalive", "30s", 30),
        ("unix", "/run/feed.sock", "/run/feed.sock"),
    ],
)
def test_text_is_parsed(name: str, text: str, value: Any) -> None:
    parsed = BY_NAME[name].parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("max_message", "0", "1 B to 1 GiB"),
        ("max_message", "-1", "1 B to 1 GiB"),
        ("max_message", "1TiB", "1 B to 1 GiB"),
        ("max_message", "2GiB", "1 B to 1 GiB"),
        ("max_pending", "1", "64 KiB to 64 GiB"),
        ("port", "65536", "0 to 65535"),
        ("port", "http", "0 to 65535"),
        ("drain_timeout", "nan", "0 s to 3600 s"),
        ("drain_timeout", "inf", "0 s to 3600 s"),
        ("max_peers", "0", "1 to 10000000, or off"),
        ("burst", "off", "0.001 s to 3600 s"),
        ("oversize", "cut", "one of close, skip"),
        ("echo", "perhaps", "true or false"),
        ("unix", "", "text that is not empty"),
        ("host", "a\0b", "text that is not empty"),
    ],
)
def test_refusal_names_option_value_and_what_is_allowed(name: str, text: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BY_NAME[name].parse(text)
    assert str(caught.value) == f"--{name.replace('_', '-')}: {text!r} is not allowed; allowed is {allowed}"
