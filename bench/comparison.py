"""Takes measures of servers in turn: A, B, C, A, B, C, … A disturbance of the machine then hits all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import TypedDict

from contest import Contestant, NotStarted, Running, away_from_servers, running
from measures import Figures, Measure, Section

from fastserver.load.errors import LoadError

Told = Callable[[str], None]
"""Takes the name of the next measurement."""


class Outcome(TypedDict, total=False):
    """The outcome of a server's runs."""

    figures: Figures
    """The median of each figure."""
    spread: tuple[float, float]
    """Least and greatest of the section's first figure."""
    ratio: float
    """The median of its first figure's ratios to that of the base, turn by turn."""
    runs: int
    failed: str
    """The reason why there are no figures, or fewer runs."""


class Servers:
    """Contestants, started when they are first needed, and again if they end."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Running, ExitStack]] = {}

    def get(self, contestant: Contestant) -> Running:
        """Raises `NotStarted`."""
        if contestant.name not in self._running:
            with ExitStack() as stack:
                server = stack.enter_context(running(contestant))
                self._running[contestant.name] = (server, stack.pop_all())
        return self._running[contestant.name][0]

    def stop(self, contestant: Contestant) -> None:
        """Stop the contestant, if it runs."""
        if contestant.name in self._running:
            self._running.pop(contestant.name)[1].close()

    def close(self) -> None:
        for _, stack in self._running.values():
            stack.close()
        self._running.clear()


@contextmanager
def servers() -> Iterator[Servers]:
    """Servers to compare; this process keeps away from the processor they run on."""
    with away_from_servers(), ExitStack() as stack:
        found = Servers()
        stack.callback(found.close)
        yield found


def compare(
    section: Section,
    measure: Measure,
    contestants: Sequence[Contestant],
    servers: Servers,
    *,
    turns: int,
    seconds: float,
    told: Told = lambda _: None,
) -> dict[str, Outcome]:
    """The outcome of each of `contestants`, after so many turns of runs of about `seconds` each."""
    figures: dict[str, list[Figures | None]] = {one.name: [] for one in contestants}
    failures: dict[str, str] = {}
    for turn in range(turns):
        for contestant in contestants:
            told(f"{section.name} {measure.name}, turn {turn + 1} of {turns}: {contestant.name}")
            if figures[contestant.name].count(None) > 1:
                continue  # it fails again and again
            try:
                figures[contestant.name].append(_take(measure, contestant, servers, seconds * section.seconds))
            except (LoadError, NotStarted, OSError, EOFError) as error:
                servers.stop(contestant)
                figures[contestant.name].append(None)
                failures[contestant.name] = str(error) or type(error).__name__
    base = figures.get(section.base)
    return {name: _outcome(section.figures[0], runs, base, failures.get(name, "")) for name, runs in figures.items()}


def _take(measure: Measure, contestant: Contestant, servers: Servers, seconds: float) -> Figures:
    if measure.fresh:
        with running(contestant) as server:
            return measure.take(server, seconds)
    return measure.take(servers.get(contestant), seconds)


def _outcome(first: str, runs: list[Figures | None], base: list[Figures | None] | None, failed: str) -> Outcome:
    outcome: Outcome = {"failed": failed} if failed else {}
    good = [run for run in runs if run is not None]
    if good:
        values = [run[first] for run in good]
        outcome["figures"] = {name: _round(median(run[name] for run in good)) for name in good[0]}
        outcome["spread"] = (_round(min(values)), _round(max(values)))
        outcome["runs"] = len(good)
        pairs = [(mine[first], other[first]) for mine, other in zip(runs, base or [], strict=False) if mine and other]
        ratios = [mine / other for mine, other in pairs if other]
        if ratios:
            outcome["ratio"] = _round(median(ratios))
    return outcome


def _round(value: float) -> float:
    """`value` in four digits."""
    return float(f"{value:.4g}")
