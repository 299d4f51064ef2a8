"""The registry: one list of framings, from which all others come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from fastserver.config.config import SETTINGS
from fastserver.framing import FRAMINGS
from fastserver.framing.registry import DEFAULT_MODE, Mode
from fastserver.load.wire import WIRES

ROOT = Path(__file__).parents[2]


def test_type_checkers_know_the_names() -> None:
    assert get_args(Mode) == tuple(FRAMINGS)
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
        r"^\| (?:`--mode`|framing) \|.*\n\|[-|]*\|\n((?:\|.*\n)*)", path.read_text("utf-8"), re.MULTILINE
    )
    assert re.findall(r"^\| `([^`]+)`", rows, re.MULTILINE) == list(FRAMINGS)


def test_no_module_but_those_of_framings_asks_for_one_by_name() -> None:
    names = "|".join(FRAMINGS)
    asks = re.compile(rf"""[!=]= ?["'](?:{names})["']|["'](?:{names})["'] ?[!=]=|in \(["'](?:{names})["']""")
    modules = [path for path in (ROOT / "fastserver").rglob("*.py") if "framing" not in path.parts]
    assert [path for path in modules if asks.search(path.read_text("utf-8"))] == []
