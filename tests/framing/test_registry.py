"""The registry: one list of framings, from which all others come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from fastserver.config.config import SETTINGS, Config
from fastserver.errors import ConfigError
from fastserver.framing import FRAMINGS
from fastserver.framing.registry import DEFAULT_MODE, GRAMMARS, Name, framing
from fastserver.load.wire import WIRES

ROOT = Path(__file__).parents[2]


def test_type_checkers_know_the_names() -> None:
    assert get_args(Name) == tuple(FRAMINGS)
    assert DEFAULT_MODE in FRAMINGS


def test_every_list_of_names_is_that_of_the_registry() -> None:
    (mode,) = [setting for setting in SETTINGS if setting.name == "mode"]
    assert (mode.choices, mode.default) == (tuple(FRAMINGS), DEFAULT_MODE)
    assert list(WIRES) == list(FRAMINGS)


@pytest.mark.parametrize("page", ["README.md", "fastserver/framing/README.md"])
def test_the_docs_have_every_framing(page: str) -> None:
    path = ROOT / page
    if not path.exists():
        pytest.skip("there are no READMEs here")
    (rows,) = re.findall(
        r"^\| (?:`--mode`|framing) \| a .*\n\|[-|]*\|\n((?:\|.*\n)*)", path.read_text("utf-8"), re.MULTILINE
    )
    assert re.findall(r"^\| `([^`]+)`", rows, re.MULTILINE) == list(FRAMINGS)


def test_the_docs_have_every_parameter() -> None:
    path = ROOT / "fastserver/framing/README.md"
    if not path.exists():
        pytest.skip("there are no READMEs here")
    (rows,) = re.findall(
        r"^\| framing \| parameter \|.*\n\|[-|]*\|\n((?:\|.*\n)*)", path.read_text("utf-8"), re.MULTILINE
    )
    assert rows.splitlines() == [
        f"| `{grammar.name}` | `{one.name}` | {one.default or 'none'} | {one.allowed} | {one.help} |"
        for grammar in GRAMMARS.values()
        for one in grammar.parameters
    ]


def test_no_module_but_those_of_framings_asks_for_one_by_name() -> None:
    names = "|".join(FRAMINGS)
    asks = re.compile(rf"""[!=]= ?["'](?:{names})["']|["'](?:{names})["'] ?[!=]=|in \(["'](?:{names})["']""")
    modules = [path for path in (ROOT / "fastserver").rglob("*.py") if "framing" not in path.parts]
    assert [path for path in modules if asks.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("lines", "lines"),
        ("lines?eol=lf", "lines"),
        ("lines?eol=crlf", "lines?eol=crlf"),
    ],
)
def test_words_that_mean_the_same_have_the_same_framing(word: str, name: str) -> None:
    found = framing(word)
    assert found.name == name
    assert found is framing(name) is framing(word)
    assert (found is FRAMINGS.get(name)) == ("?" not in name)


@pytest.mark.parametrize(
    ("word", "wrong"),
    [
        ("", "there is no mode ''"),
        ("xml", "there is no mode 'xml'"),
        ("Lines", "there is no mode 'Lines'"),
        ("lines?", "'' is no parameter with a value, as in name=value"),
        ("lines?eol", "'eol' is no parameter with a value, as in name=value"),
        ("lines?=lf", "'=lf' is no parameter with a value, as in name=value"),
        ("lines?eol=lf&", "'' is no parameter with a value, as in name=value"),
        ("lines?eol=lf&eol=lf", "the parameter 'eol' is given twice"),
        ("lines?eol=cr", "eol must be one of lf, crlf, not 'cr'"),
        ("lines?eol=", "eol must be one of lf, crlf, not ''"),
        ("lines?end=lf", "lines has no parameter 'end', but eol"),
        ("msgpack-stream?eol=lf", "msgpack-stream has no parameter 'eol', but json"),
    ],
)
def test_words_that_are_none(word: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        framing(word)
    with pytest.raises(ConfigError) as refused:
        Config(mode=word)
    assert str(refused.value).startswith(f"--mode: {word!r} is not allowed")


def test_every_parameter_has_a_default_that_is_allowed() -> None:
    for grammar in GRAMMARS.values():
        for parameter in grammar.parameters:
            assert parameter.read(parameter.default)[0] == parameter.default
            assert all(parameter.read(choice)[0] == choice for choice in parameter.choices)
