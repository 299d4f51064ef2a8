"""The soak: servers of all modes under load, and faults at random, for as long as is said.

python tests/soak.py --minutes 30 -- --slow-consumer drop-oldest

What stands behind -- are more options of the servers. First each fault goes on once, then whatever the seed brings, up
to three at a time. The soak fails, with exit code 1, if a healthy peer lost something, got it in another order or was
cut off, if the books of any peer do not balance, if a server's memory or descriptors grow, or if one ends. In the end
it says what became of memory, and how long the healthy waited at worst.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import click
import pytest
import uvloop
from faults.catalogue import FAULTS
from faults.curve import draw
from faults.network import Network
from faults.ordeal import NOTHING, Ordeal
from faults.vanishing import its_host_vanishes
from faults.wire import STREAMS

AT_ONCE: Final = 3
"""Faults that go on at the same time."""

GROWTH: Final = 8 << 20
"""Bytes that the least memory of a server in the last quarter may be above the most in the first half. They need not be
the same: the server keeps up to 16 MiB that it has freed, and has come to that only after some peaks."""

LINK: Final = "link"
"""The ordeal on a network, where hosts can vanish; the others go by their modes."""


def schedule(random: Random, cases: list[tuple[str, str]]) -> Iterator[tuple[str, str, float, int, bool]]:
    """Fault, ordeal, seconds, seed, and whether the log is read: each of `cases` once, then any, without end."""
    first = random.sample(cases, len(cases))
    while True:
        name, ordeal = first.pop() if first else random.choice(cases)
        yield name, ordeal, random.uniform(1.0, 6.0), random.getrandbits(32), random.random() < 0.8


class Soak:
    """A run: its servers, and the faults that happen to them."""

    def __init__(
        self, minutes: float, seed: int, options: tuple[str, ...], folder: Path, network: Network | None
    ) -> None:
        self.ordeals = {mode: Ordeal(mode, options, folder) for mode in STREAMS}
        cases = [(fault.name, mode) for fault in FAULTS.values() if fault.needs != "host" for mode in fault.modes]
        if network is not None:
            self.ordeals[LINK] = Ordeal("lines", options, folder, network)
            cases.append((its_host_vanishes.__name__, LINK))
        self.struck = 0
        """Faults that are over."""
        self.warm = 0.0
        """When each had gone on once, seconds after the start; 0: they have not yet."""
        self._schedule = schedule(Random(seed), cases)
        self._cases = len(cases)
        self._seconds = minutes * 60
        self._began = time.monotonic()
        self._now: list[str] = []

    async def run(self) -> None:
        """Raises `AssertionError` with what went wrong."""
        tasks: list[asyncio.Future[None]] = []
        with ProcessPoolExecutor(AT_ONCE, multiprocessing.get_context("spawn")) as pool:
            try:
                for ordeal in self.ordeals.values():
                    await ordeal.start()
                tasks.append(asyncio.ensure_future(self._watch()))
                striking = [asyncio.ensure_future(self._strike(pool)) for _ in range(AT_ONCE)]
                tasks += striking
                await asyncio.gather(*striking)
                for name, ordeal in self.ordeals.items():
                    print(f"{name}: {await ordeal.finish()}")
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for ordeal in self.ordeals.values():
                    await ordeal.close()

    @property
    def _gone(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    async def _strike(self, pool: Executor) -> None:
        """Have faults happen one after another."""
        while self._gone < self._seconds:
            name, ordeal, seconds, seed, loudly = next(self._schedule)
            self._now.append(name)
            await self.ordeals[ordeal].suffer(pool, name, seconds, seed, loudly)
            self._now.remove(name)
            self.struck += 1
            if self.struck == self._cases:
                self.warm = self._gone

    async def _watch(self) -> None:
        """Note the memory of all, and show on a terminal how far it is."""
        while True:
            sizes = [ordeal.look() for ordeal in self.ordeals.values()]
            if sys.stderr.isatty():
                shown = f"{self._gone:.0f} of {self._seconds:.0f} s, {self.struck} faults, memory "
                shown += " ".join(f"{size / 1e6:.0f}" for size in sizes) + f" MB; {', '.join(self._now)}"
                print(f"\r\x1b[K{shown[:118]}", end="", file=sys.stderr, flush=True)
            await asyncio.sleep(1.0)


def check_memory(soak: Soak) -> None:
    """Fail if the memory of a server grew after each fault had gone on once."""
    for name, ordeal in soak.ordeals.items():
        end = ordeal.memory[-1][0]
        if not 0.0 < soak.warm < end / 2:
            print("\ntoo short to tell whether memory grows: each fault is to have gone on once by half the time")
            return
        before = max(size for at, size in ordeal.memory if at <= end / 2)
        # The least: what a fault needs while it goes on is given back, what leaks is not.
        after = min(size for at, size in ordeal.memory if at > end * 3 / 4)
        assert after <= before + GROWTH, f"{name}: memory grew from {before} to {after} bytes"


def show(soak: Soak) -> None:
    """The outcome as text."""
    for name, ordeal in soak.ordeals.items():
        print(f"\nmemory of the server {name} ({ordeal.reports} reports):")
        print("\n".join(draw(ordeal.memory)))
    print("\nworst gap at a healthy reader while each fault went on, in ms:")
    for name in (NOTHING, *FAULTS):
        gaps = [(mode, ordeal.gaps[name]) for mode, ordeal in soak.ordeals.items() if name in ordeal.gaps]
        print(f"  {name:32}", *[f"{mode} {gap * 1000:.0f}" for mode, gap in gaps])
    messages = [sum(one.messages for one in ordeal.witnesses.all) for ordeal in soak.ordeals.values()]
    print(f"\n{soak.struck} faults; the healthy got all of {sum(messages)} messages, in order; all books balance")


@contextmanager
def network() -> Iterator[Network | None]:
    """A network, where one can be had."""
    try:
        found = Network()
    except pytest.skip.Exception as reason:
        print(f"no hosts that vanish: {reason}")
        yield None
    else:
        try:
            yield found
        finally:
            found.remove()


@click.command(help=__doc__)
@click.option("--minutes", type=click.FloatRange(0.1, 10_000), default=10.0, show_default=True, help="How long.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed brings the same faults.")
@click.argument("options", nargs=-1)
def main(minutes: float, seed: int, options: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder, network() as found:
        soak = Soak(minutes, seed, options, Path(folder), found)
        try:
            uvloop.run(soak.run())
            show(soak)
            check_memory(soak)
        except AssertionError as error:
            print(f"\nFAILED with seed {seed} after {soak.struck} faults: {error}", file=sys.stderr)
            print("\n".join([line for ordeal in soak.ordeals.values() for line in ordeal.ended]), file=sys.stderr)
            sys.exit(1)
        print(f"\npassed with seed {seed}")


if __name__ == "__main__":
    main()
