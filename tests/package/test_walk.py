"""The way from socket to socket, as the package's README tells it: the functions that it names are where it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "fastserver"


def test_the_functions_are_where_it_says() -> None:
    readme = PACKAGE / "README.md"
    if not readme.exists():
        pytest.skip("there are no READMEs here")
    (rows,) = re.findall(r"^\| step \| where \|\n\|[-|]*\n((?:\|.*\n)*)", readme.read_text("utf-8"), re.MULTILINE)
    paths = [PACKAGE / path for path in re.findall(r"\]\(([\w./]+)\)", rows)]
    sources = [path.read_text("utf-8") for path in paths if not path.is_dir()]
    named = re.findall(r"`(?:\w+\.)?(\w+)`", rows)
    assert len(named) > 10
    for name in named:
        defined = re.compile(rf"^ *(?:c?p?def|class) (?:\w+ )?{name}\b", re.MULTILINE)
        assert any(defined.search(source) for source in sources), name
