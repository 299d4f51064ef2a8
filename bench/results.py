"""The results, kept in a file; and the tables and charts made of them."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from charts import charts
from comparison import Outcome
from contest import LOAD, SERVER, Contestant
from measures import Measure, Section
from tables import summary, tables


class Results:
    """The results in the file at `path`, with those of earlier runs that were not measured again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data: dict[str, Any] = {"servers": {}, "left out": {}, "sections": {}}
        if path.exists():
            self._data = json.loads(path.read_text("utf-8"))

    def left_out(self, contestant: Contestant) -> bool:
        """True if the contestant cannot take part. Notes the reason and how to install it, or else its version."""
        reason = _missing(contestant)
        self._data["left out"].pop(contestant.name, None)
        if reason:
            self._data["left out"][contestant.name] = f"{reason}: {contestant.install}"
        else:
            self._data["servers"][contestant.name] = {
                "version": _version(contestant),
                "install": contestant.install,
                "settings": contestant.settings,
            }
        return bool(reason)

    def add(self, section: Section, measure: Measure, outcomes: dict[str, Outcome], seconds: float) -> None:
        """Keep the outcomes of a measure, and write all results to the file."""
        self._data |= {"machine": _machine(), "date": date.today().isoformat()}
        kept = self._data["sections"].setdefault(section.name, {})
        mine = kept.setdefault(measure.name, {"seconds": seconds, "outcomes": {}})
        mine["seconds"] = seconds
        mine["outcomes"] |= outcomes
        self._path.write_text(json.dumps(self._data, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")

    def render(self, folder: Path) -> Iterator[Path]:
        """Write the tables and charts of all results into `folder`; the files written."""
        texts = {"summary.md": summary(self._data), "tables.md": tables(self._data), **charts(self._data)}
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
            yield folder / name


@cache
def _missing(contestant: Contestant) -> str:
    return contestant.missing()


@cache
def _version(contestant: Contestant) -> str:
    return contestant.version()


def _machine() -> str:
    """The machine in one line."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    where = "server and load on a processor each" if SERVER != LOAD else "server and load on one processor"
    return f"{model}, Linux {platform.release()}, CPython {platform.python_version()}; {where}"
