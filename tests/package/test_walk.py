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
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+) \| ([^|]+) \|$", readme.read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 10
    for functions, links in rows:
        paths = [PACKAGE / path for path in re.findall(r"\]\(([\w./]+)\)", links)]
        sources = [path.read_text("utf-8") for path in paths if path.is_file()]
        assert sources or all(path.is_dir() for path in paths), links
        for name in re.findall(r"`(?:\w+\.)?(\w+)`", functions) if sources else ():
            defined = re.compile(rf"^ *(?:c?p?def|class) (?:\w+ )?{name}\b", re.MULTILINE)
            assert any(defined.search(source) for source in sources), name
