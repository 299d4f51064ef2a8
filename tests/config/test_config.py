"""Settings: what they accept, their defaults, and that they are the same everywhere."""

from __future__ import annotations

from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from fastserver.config.config import SETTINGS, Config
from fastserver.config.setting import GIB, KIB, Setting
from fastserver.errors import ConfigError
from fastserver.framing import FRAMINGS

BY_NAME = {setting.name: setting for setting in SETTINGS}


@pytest.mark.parametrize("wrong", [{"port": "3000"}, {"port": True}, {"echo": 1}, {"max_message": None}, {"mode": "x"}])
def test_values_of_the_wrong_type_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Config(**wrong)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ({"max_pending": "64KiB"}, 64 * KIB),
        ({"max_memory": "off"}, None),
        ({"max_memory": "2 GiB"}, 2 * GIB),
        ({"message_timeout": "5s"}, 5.0),
        ({"idle_timeout": "off"}, None),
        ({"drain_timeout": "1.5"}, 1.5),
        ({"keepalive": "30s"}, 30),
        ({"max_peers": "off"}, None),
        ({"max_peers": "7"}, 7),
        ({"log_messages": "0"}, 0),
        ({"echo": "on"}, True),
        ({"quiet": "off"}, False),
    ],
)
def test_what_is_no_text_can_be_written_as_text(written: dict[str, Any], value: Any) -> None:
    ((name, _),) = written.items()
    found = getattr(Config(**written), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("written", "allowed"),
    [
        ({"max_pending": "off"}, "64 KiB to 64 GiB"),
        ({"max_pending": "lots"}, "64 KiB to 64 GiB"),
        ({"max_pending": "1KiB"}, "64 KiB to 64 GiB"),
        ({"message_timeout": "soon"}, "0.001 s to 31536000 s, or off"),
        ({"echo": "perhaps"}, "true or false"),
    ],
)
def test_text_that_stands_for_nothing_is_refused(written: dict[str, Any], allowed: str) -> None:
    ((name, text),) = written.items()
    with pytest.raises(ConfigError) as caught:
        Config(**written)
    assert str(caught.value) == f"--{name.replace('_', '-')}: {text!r} is not allowed; allowed is {allowed}"


def test_whole_seconds_are_seconds() -> None:
    assert Config(drain_timeout=3).drain_timeout == 3.0
    assert type(Config(drain_timeout=3).drain_timeout) is float


@pytest.mark.parametrize(
    ("settings", "tcp"),
    [
        ({}, ("127.0.0.1", 3000)),
        ({"port": 0}, ("127.0.0.1", 0)),
        ({"host": "::"}, ("::", 3000)),
        ({"unix": "/x"}, None),
        ({"unix": "/x", "port": 1}, ("127.0.0.1", 1)),
        ({"unix": "/x", "host": "::1"}, ("::1", 3000)),
    ],
)
def test_unix_replaces_tcp_unless_it_is_asked_for(settings: dict[str, Any], tcp: object) -> None:
    assert Config(**settings).tcp == tcp


@pytest.mark.parametrize(
    "wrong", [{"max_pending": None}, {"burst": None}, {"deny": "::1"}, {"deny": (1,)}, {"max_peers": 0}]
)
def test_only_limits_that_can_be_off_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Config(**wrong)
    assert Config(max_peers=None, deny=["::1"]).deny == ("::1",)  # type: ignore[arg-type]


def test_what_is_off_is_shown_as_off() -> None:
    assert BY_NAME["max_peers"].show(None) == "off"
    assert BY_NAME["unix"].show(None) == "none"


def test_every_default_is_allowed() -> None:
    for setting in SETTINGS:
        if setting.default is not None:
            assert setting.check(setting.default) == setting.default
    assert [field.name for field in fields(Config)] == [setting.name for setting in SETTINGS]


def test_modes_are_the_framings() -> None:
    assert BY_NAME["mode"].choices == tuple(FRAMINGS)


def test_each_setting_stands_in_one_group_with_its_kin() -> None:
    groups = [group for group, _ in groupby(SETTINGS, key=lambda setting: setting.group)]
    assert len(groups) == len({*groups})
    assert all(groups)
    assert {setting.group for setting in SETTINGS if not setting.command} == {groups[-1]}


def row(setting: Setting) -> str:
    default = "off" if setting.type is bool else setting.show(setting.default)
    allowed = "" if setting.type is bool else setting.allowed
    name = setting.option if setting.command else setting.name
    return f"| `{name}` | {default} | {allowed} | {setting.help} |"


def test_tables_of_the_manual_are_made_of_the_settings() -> None:
    """The manual has a table for each group, under a heading of its name, in the order of the help."""
    manual = Path(__file__).parents[2] / "fastserver/config/README.md"
    if not manual.exists():
        pytest.skip("no manual beside the tests: they run away from the checkout")
    tables = "\n\n".join(
        "\n".join([f"### {group}\n", "| setting | default | allowed | |", "|---|---|---|---|", *map(row, settings)])
        for group, settings in groupby(SETTINGS, key=lambda setting: setting.group)
    )
    assert tables in manual.read_text("utf-8"), f"the tables in {manual} should be:\n{tables}"
