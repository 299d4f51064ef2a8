"""Results as Markdown."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from measures import Section
from sections import SECTIONS


class Column(NamedTuple):
    """A column of the summary: its head, and the section, measure and figure it shows."""

    head: str
    section: str
    measure: str
    figure: str


SUMMARY: Final = (
    Column("1 → 100, one message at a time", "cost", "fanout[64B-1x100]", "ns"),
    Column("1 → 100, 256 at a time", "cost", "fanout[64B-1x100-256]", "ns"),
    Column("100 to each other", "cost", "all-to-all[64B-100]", "ns"),
    Column("most deliveries a second, 1 → 100", "rate", "fanout[64B-1x100-256]", "per second"),
    Column("p99 at 1000 messages a second, µs", "latency", "1000 a second", "p99 µs"),
    Column("longest gap with 5 stuck readers, ms", "stuck", "5 stuck", "gap ms"),
    Column("bytes per idle connection", "idle", "10000 connections", "bytes each"),
)


def summary(data: dict[str, Any]) -> str:
    """A table with a row for each server: the figures that matter most."""
    columns = [one for one in SUMMARY if _outcomes(data, one)]
    rows = []
    for name in SECTIONS[0].contestants:
        cells = [_outcomes(data, column).get(name.name, {}) for column in columns]
        if any(cells):
            rows.append(
                [name.name, *(_cell(cell, (column.figure,)) for cell, column in zip(cells, columns, strict=True))]
            )
    about = (
        "The first three columns are nanoseconds of the server's processor time per delivery of 64 bytes. In "
        "parentheses: as a multiple of the yardstick's, bare C on epoll."
    )
    return f"{about}\n\n{_table(['', *(column.head for column in columns)], rows)}\n{_made(data)}\n"


def tables(data: dict[str, Any]) -> str:
    """A table for each section, and one of the servers."""
    parts = ["# fastserver and its rivals\n", _made(data), ""]
    for section in SECTIONS:
        measured = data["sections"].get(section.name)
        if measured:
            parts += [
                f"## {section.title}\n",
                f"{section.about} {_legend(section, measured)}\n",
                _section(section, measured),
            ]
    parts.append("## Servers\n")
    servers = [[name, one["version"], one["settings"], f"`{one['install']}`"] for name, one in data["servers"].items()]
    parts.append(_table(["", "version", "settings", "to install"], servers))
    for name, reason in data["left out"].items():
        parts.append(f"Left out: {name}, since {reason}")
    return "\n".join(parts) + "\n"


def _section(section: Section, measured: dict[str, Any]) -> str:
    """The table of a section: servers across, or down if there is one measure alone."""
    names = [one.name for one in section.contestants if any(one.name in m["outcomes"] for m in measured.values())]
    order = [one.name for one in section.measures if one.name in measured]
    if len(order) == 1:
        outcomes = measured[order[0]]["outcomes"]
        rows = []
        for name in names:
            first, *others = section.figures
            outcome = outcomes.get(name, {})
            cells = [_cell(outcome, (first,)), *(_cell(outcome, (other,), ratio=False) for other in others)]
            rows.append([name, *cells])
        return _table(["", *section.figures], rows) + _failures(measured)
    rows = []
    for one in order:
        outcomes = measured[one]["outcomes"]
        rows.append([one, *(_cell(outcomes.get(name, {}), section.figures) for name in names)])
    return _table(["", *names], rows) + _failures(measured)


def _legend(section: Section, measured: dict[str, Any]) -> str:
    runs = max((o.get("runs", 0) for m in measured.values() for o in m["outcomes"].values()), default=0)
    seconds = next(iter(measured.values()))["seconds"]
    shown = " / ".join(section.figures)
    return (
        f"Shown: {shown}; in parentheses the first as a multiple of {section.base}'s. Medians of {runs} runs of "
        f"{seconds:g} s in turn."
    )


def _cell(outcome: dict[str, Any], figures: tuple[str, ...], ratio: bool = True) -> str:
    if "figures" not in outcome:
        return "failed" if "failed" in outcome else ""
    text = " / ".join(show(outcome["figures"][figure]) for figure in figures)
    if ratio and "ratio" in outcome:
        text += f" ({show(outcome['ratio'])})"
    return text + (" *" if outcome["figures"].get("lost") else "")


def _failures(measured: dict[str, Any]) -> str:
    lines = []
    for measure, kept in measured.items():
        for name, outcome in kept["outcomes"].items():
            if "failed" in outcome:
                lines.append(f"{name}, {measure}: {outcome['failed']}")
            elif outcome["figures"].get("lost"):
                lines.append(f"\\* {name}, {measure}: {show(outcome['figures']['lost'])} deliveries did not come")
    return "".join(f"\n{line}\n" for line in lines)


def show(value: float, digits: int = 3) -> str:
    """A number of so many digits, as a person writes it."""
    for least, unit, name in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if abs(value) >= least:
            return show(value / unit, digits) + name
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def _outcomes(data: dict[str, Any], column: Column) -> dict[str, Any]:
    outcomes: dict[str, Any] = data["sections"].get(column.section, {}).get(column.measure, {}).get("outcomes", {})
    return outcomes


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _made(data: dict[str, Any]) -> str:
    return f"Measured on {data.get('date', 'no day')} by `python bench/report.py`: {data.get('machine', 'nowhere')}."
