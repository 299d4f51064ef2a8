"""Plans of loads, and settings that a plan cannot have."""

from __future__ import annotations

from typing import Any

import pytest

from fastserver.errors import ConfigError
from fastserver.load.plan import Plan
from fastserver.load.wire import SMALLEST, FramingWire, framing_wire


@pytest.mark.parametrize(
    ("options", "option", "text"),
    [
        ({"publishers": 0}, "--publishers", "allowed is 1 to 100000"),
        ({"all_to_all": 1}, "--all-to-all", "allowed is 2 to 100000, or off"),
        ({"rate": 0.0}, "--rate", "allowed is 0.001 to 1000000000, or off"),
        ({"duration": float("nan")}, "--duration", "allowed is 0.001 s to 86400 s"),
        ({"size": str(SMALLEST - 1)}, "--size", f"allowed is {SMALLEST} B to 1 GiB"),
        ({"size": "64:1,"}, "--size", f"allowed is {SMALLEST} B to 1 GiB"),
        ({"size": "64:0"}, "--size", "allowed is shares of 1 to 1000, as in 64:90,1024:10"),
        ({"size": "64:999,65:2"}, "--size", "allowed are shares of 1000 together"),
        ({"size": "1MiB", "batch": 1000}, "--batch", "come to more than 256 MiB"),
        (
            {"size": "64:9,300:1", "wire": framing_wire("length?bytes=1")},
            "--size",
            "300 is not allowed with length?bytes=1: ",
        ),
        ({"lockstep": True, "rate": 1.0, "processes": 1}, "--rate", "is not allowed with --lockstep"),
        ({"lockstep": True, "processes": 2}, "--processes", "is not allowed with --lockstep"),
        ({"rate": 1e9, "check": 60.0}, "--check", "too many messages"),
    ],
)
def test_settings_that_are_not_allowed(options: dict[str, Any], option: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Plan(**options)
    assert str(raised.value).startswith(f"{option}: ")
    assert text in str(raised.value)


def test_connections() -> None:
    fan_out = Plan(publishers=2, subscribers=5)
    assert (fan_out.senders, fan_out.receivers, fan_out.connections, fan_out.recipients) == (2, 5, 7, 5)
    all_to_all = Plan(all_to_all=5)
    assert (all_to_all.senders, all_to_all.receivers, all_to_all.connections, all_to_all.recipients) == (5, 5, 5, 4)
    assert Plan(all_to_all=5, echo=True).recipients == 5
    apart = Plan(wire=FramingWire(both=False), all_to_all=5)
    assert (apart.senders, apart.receivers, apart.connections, apart.recipients) == (5, 5, 10, 5)
