"""`fastserver bench`: its options, its progress on the terminal, and its reports."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

from fastserver.client.address import Address
from fastserver.client.failure import why
from fastserver.config.addresses import DEFAULT_HOST, DEFAULT_PORT
from fastserver.errors import ConfigError
from fastserver.framing.registry import DEFAULT_MODE
from fastserver.load.plan import Plan
from fastserver.load.record import COLUMNS, to_csv, to_json
from fastserver.load.run import LoadError, Progress, run
from fastserver.load.table import table
from fastserver.load.wire import framing_wire
from fastserver.log.complaint import complain

INTERRUPTED: Final = 130  # as the shell says of a program that Ctrl-C ended
STDOUT: Final = "-"
HEADER: Final = ",".join(COLUMNS) + "\n"


def bench(json: str | None, csv: str | None, **given: Any) -> int:
    """Makes the load that `given` (settings by name) asks for, reports the result, and gives the exit code.

    0: everything arrived. 1: the server could not be reached or closed a connection, or a message was lost, came out
    of order or changed, or the result could not be written. 130: Ctrl-C; what was measured until then is reported.
    Raises `ConfigError`.
    """
    if json == csv == STDOUT:
        raise ConfigError("--json and --csv cannot both go to standard output: give one of them a file")
    if sys.stdout is None and (STDOUT in (json, csv) or json is csv is None):
        complain("standard output is closed")
        return 1
    plan = _plan(given)
    header = _prepare(json, csv)
    try:
        with _interrupt() as interrupted, _progress() as show:
            result = run(plan, progress=show, stop=lambda: bool(interrupted))
    except LoadError as error:
        complain(str(error))
        return 1
    written = True
    if result.throughput is not None:
        written = _write("--json", json, "w", to_json(result))
        written = _write("--csv", csv, "a", to_csv(result, header)) and written
        if STDOUT not in (json, csv):
            _echo(table(result))
    if result.stopped:
        return INTERRUPTED
    return 0 if result.clean and written else 1


def _write(option: str, name: str | None, mode: str, text: str) -> bool:
    """True if `text` could be written to the file of `option`; else complains, and the other results still come."""
    if name == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
    elif name is not None:
        path = Path(name)
        before = path.stat().st_size if path.is_file() else None
        try:
            with path.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            complain(f"{option}: {name}: {why(error)}")
            if mode == "a" and before is not None:
                with suppress(OSError):
                    os.truncate(path, before)  # half a row is none
            return False
    return True


def _echo(text: str) -> None:
    if sys.stdout is None:
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # bars are not in every character set
    click.echo(text, nl=False)
    sys.stdout.flush()


def _plan(given: dict[str, Any]) -> Plan:
    if given.get("all_to_all"):
        for name in ("publishers", "subscribers"):
            if name in given:
                raise ConfigError(f"--{name}: {given[name]} is not allowed with --all-to-all")
    host, port = given.pop("host", DEFAULT_HOST), given.pop("port", DEFAULT_PORT)
    path = given.pop("unix", None)
    wire = framing_wire(given.pop("mode", DEFAULT_MODE))
    return Plan(Address(host, port) if path is None else Address(path=path), wire, **given)


def _prepare(json: str | None, csv: str | None) -> bool:
    """True if the CSV needs a header. Raises `ConfigError` if a file cannot be written, before all the work is done."""
    for option, name in (("--json", json), ("--csv", csv)):
        if name not in (None, STDOUT):
            path = Path(str(name))
            if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
                raise ConfigError(f"{option}: {name!r} is not allowed; allowed is a file that can be written")
    if csv in (None, STDOUT) or not Path(str(csv)).is_file():
        return True
    with Path(str(csv)).open(encoding="utf-8", errors="replace") as file:
        first = file.readline(len(HEADER) + 1)
    if first and first != HEADER:
        raise ConfigError(f"--csv: {csv!r} is not allowed: it has other columns; allowed is a new file")
    return not first


@contextmanager
def _interrupt() -> Iterator[list[int]]:
    """Gives a flag that becomes true at the first Ctrl-C; a second ends the program."""
    seen: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress() -> Iterator[Any]:
    """A function that shows the progress in one line of the terminal; without a terminal it shows nothing."""
    terminal = sys.stderr is not None and sys.stderr.isatty()

    def show(progress: Progress) -> None:
        if terminal:
            print(f"\r\x1b[K{_line(progress)}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _line(progress: Progress) -> str:
    if progress.step == "connecting":
        return "connecting …"
    return (
        f"{progress.step} {min(progress.seconds, progress.of):.0f} of {progress.of:.0f} s   "
        f"{progress.messages_per_second:,.0f} messages/s   {progress.deliveries_per_second:,.0f} deliveries/s"
    )
