"""Compares fastserver with its rivals, and writes the tables and charts that the README shows.

    python bench/report.py            everything: about two hours with 7 turns
    python bench/report.py --quick    fewer and shorter runs: about twenty minutes
    python bench/report.py --list     sections, measures and servers to choose from
    python bench/report.py --section cost --measure 1x100 --server nats-server --server redis
    python bench/report.py --render   tables and charts again, from the results in the file

Nothing else should run on the machine. Results are kept in `results.json` as they come; a run of some sections replaces
those, and leaves the others as they were.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from contest import Contestant
    from measures import Measure, Section
    from results import Results

RESULTS = Path(__file__).parent / "results"


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Three turns of short runs, and the shapes of 64 bytes alone.")
@click.option("--turns", type=click.IntRange(1, 1000), default=None, help="Runs of each server.  [default: 7]")
@click.option("--seconds", type=click.FloatRange(0.01, 60), default=None, help="Length of a run.  [default: 0.5]")
@click.option("--section", "sections", multiple=True, help="Only this; can be given several times.")
@click.option("--measure", "names", multiple=True, help="Only those whose name contains this.")
@click.option("--server", "chosen", multiple=True, help="Only this beside fastserver and the yardstick.")
@click.option("--into", type=click.Path(path_type=Path), default=RESULTS, help="Folder for what is written.")
@click.option("--list", "listing", is_flag=True, help="Show sections, measures and servers, and end.")
@click.option("--render", "rendering", is_flag=True, help="Write tables and charts again, and end.")
def main(
    quick: bool,
    turns: int | None,
    seconds: float | None,
    sections: tuple[str, ...],
    names: tuple[str, ...],
    chosen: tuple[str, ...],
    into: Path,
    listing: bool,
    rendering: bool,
) -> None:
    # Not above: processes that only want this module's name would import it all.
    from results import Results
    from rivals import CONTESTANTS
    from sections import SECTIONS

    if listing:
        _list(SECTIONS, CONTESTANTS)
        return
    _check("--section", sections, [section.name for section in SECTIONS])
    _check("--server", chosen, [one.name for one in CONTESTANTS])
    if not find_spec("matplotlib"):
        click.echo("report: the charts need matplotlib: pip install 'fastserver[rivals]'", err=True)
        sys.exit(1)
    into.mkdir(parents=True, exist_ok=True)
    results = Results(into / "results.json")
    if not rendering:
        work = [
            (section, measure)
            for section in SECTIONS
            if not sections or section.name in sections
            for measure in section.measures
            if any(name in measure.name for name in names or ("",)) and not (quick and not _is_quick(measure.name))
        ]
        turns, seconds = turns or (3 if quick else 7), seconds or (0.15 if quick else 0.5)
        _measure(work, results, set(chosen), turns, seconds)
    for path in results.render(into):
        click.echo(path)


def _measure(
    work: list[tuple[Section, Measure]], results: Results, chosen: set[str], turns: int, seconds: float
) -> None:
    """Measure all of `work`; of the rivals only those `chosen`, if any are."""
    from comparison import compare, servers
    from rivals import CONTESTANTS

    begun = time.monotonic()

    def told(what: str) -> None:
        minutes = (time.monotonic() - begun) / 60
        rest = f", about {minutes / done * (len(work) - done):.0f} min more" if done else ""
        _progress(f"{done} of {len(work)} after {minutes:.0f} min{rest}; {what}")

    with servers() as pool:
        for done, (section, measure) in enumerate(work):
            everyone = not chosen or section.contestants is not CONTESTANTS
            contestants = [
                one
                for one in section.contestants
                if (everyone or one.name in chosen | {"fastserver", "yardstick"})
                and measure.suits(one)
                and not results.left_out(one)
            ]
            outcomes = compare(section, measure, contestants, pool, turns=turns, seconds=seconds, told=told)
            results.add(section, measure, outcomes, seconds * section.seconds)
            if done + 1 == len(work) or work[done + 1][0] is not section:
                pool.close()
    _progress("")


def _is_quick(name: str) -> bool:
    """True if a measure is part of a quick run: all but the shapes of other sizes than 64 bytes, and the largest."""
    return "[" not in name or ("[64B" in name and "-300" not in name)


def _list(sections: Iterable[Section], contestants: Iterable[Contestant]) -> None:
    for section in sections:
        click.echo(f"{section.name}: {section.title}")
        for measure in section.measures:
            click.echo(f"    {measure.name}")
    click.echo("servers:")
    for one in contestants:
        click.echo(f"    {one.name}: {one.missing() or one.version()} ({one.install})")


def _check(option: str, given: tuple[str, ...], allowed: list[str]) -> None:
    for value in given:
        if value not in allowed:
            click.echo(f"report: {option}: {value!r} is not allowed; allowed is one of {', '.join(allowed)}", err=True)
            sys.exit(2)


def _progress(text: str) -> None:
    """Show the progress on the terminal, if there is one."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}", nl=False, err=True)


if __name__ == "__main__":
    main()
