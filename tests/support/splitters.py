"""The splitters under test, compiled and twin, and what came out of one, in a form to compare."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import pytest

from fastserver import compiled
from fastserver import framing as room
from fastserver.errors import FrameError
from fastserver.framing import FRAMINGS
from fastserver.framing.registry import framing

Make = Callable[..., Any]

WORDS = (
    *FRAMINGS,
    "lines?eol=crlf",
    "length?bytes=1",
    "length?bytes=2&includes=yes",
    "length?bytes=3&order=little",
    "length?order=little&includes=yes",
    "delimited?delimiter=[[/]",
    "delimited?delimiter=%00%00",
    "delimited?delimiter=%1C%0D&start=%0B",
)
"""The framings whose splitters are compared: all of the registry, and some with parameters."""

_MODULES = [
    importlib.import_module(f"{room.__name__}.{one.name}")
    for one in pkgutil.iter_modules(room.__path__)
    if compiled.COMPILED or not one.name.startswith("_")  # where twins were asked for, no other is found
]


def _made_by(word: str, in_c: bool) -> Make | None:
    """Makes the splitter of that framing that is compiled, or its twin; None if there is none."""
    make: Any = framing(word).splitter
    kind, more = (make.func, make.keywords) if isinstance(make, partial) else (make, {})
    for module in _MODULES:
        found = vars(module).get(kind.__name__)
        if (
            found is not None
            and found.__module__ == module.__name__
            and in_c == module.__name__.endswith("._splitters")
        ):
            return partial(found, **more) if more else found
    return None


TWINS: dict[str, Make] = {word: make for word in WORDS if (make := _made_by(word, False)) is not None}
COMPILED: dict[str, Make] = {word: make for word in WORDS if (make := _made_by(word, True)) is not None}
"""Empty where nothing is compiled; test_framing.py fails then, unless twins were asked for."""


def both(*names: str) -> pytest.MarkDecorator:
    """Runs a test with `make` as the compiled and as the twin splitter of each name."""
    makes = [
        pytest.param(kind[name], id=f"{name}-{label}")
        for name in names
        for label, kind in (("twin", TWINS), ("compiled", COMPILED))
        if name in kind
    ]
    return pytest.mark.parametrize("make", makes)


Fault = tuple[str, int, int | None]


class Outcome(NamedTuple):
    """The outcome of a stream: frames, how many, the first refusal, the bytes fed when it was raised; how many messages
    were skipped, and what was wrong with the first.
    """

    frames: bytes
    count: int
    refusal: Fault | None
    fed: int
    skipped: int = 0
    fault: Fault | None = None

    @property
    def whatever_the_cuts(self) -> tuple[object, ...]:
        """All that does not depend on how the stream was cut."""
        return self.frames, self.count, self.refusal, self.skipped, self.fault


def outcome(make: Callable[[int], Any], limit: int, pieces: Iterable[bytes], finish: bool = True) -> Outcome:
    """Feeds the pieces to a new splitter until one is refused."""
    splitter = make(limit)
    frames = b""
    count = fed = skipped = 0
    fault: Fault | None = None
    refusal: Fault | None = None
    calls = [*((splitter.feed, piece) for piece in pieces), *([(splitter.finish,)] if finish else [])]
    for call, *data in calls:
        fed += sum(map(len, data))
        try:
            frames += call(*data)
            count += splitter.count
        except FrameError as error:
            assert (splitter.count, splitter.held) == (0, 0)
            frames += error.frames
            count += error.count
            refusal = error.saw, error.offset, error.limit
        assert (splitter.fault is not None) == (splitter.skipped > 0)
        skipped += splitter.skipped
        if splitter.fault is not None and fault is None:
            fault = splitter.fault.saw, splitter.fault.offset, splitter.fault.limit
        if refusal is not None:
            break
    return Outcome(frames, count, refusal, fed, skipped, fault)


def every_cut(stream: bytes) -> Iterable[list[bytes]]:
    """The stream in two at every place, and in pieces of every length."""
    for at in range(len(stream) + 1):
        yield [stream[:at], stream[at:]]
    for length in range(1, len(stream) + 1):
        yield [stream[at : at + length] for at in range(0, len(stream), length)]


def check_every_cut(make: Callable[[int], Any], limit: int, stream: bytes) -> Outcome:
    """The outcome of the stream, the same for every cut; refused by the feed of the byte that shows it."""
    bytewise = outcome(make, limit, [stream[at : at + 1] for at in range(len(stream))])
    for pieces in every_cut(stream):
        found = outcome(make, limit, pieces)
        assert found.whatever_the_cuts == bytewise.whatever_the_cuts
        fed = 0
        for piece in pieces:
            if fed >= bytewise.fed:
                break
            fed += len(piece)
        assert found.fed == fed
    return bytewise


def steps(make: Callable[[int], Any], limit: int, pieces: Iterable[bytes]) -> list[object]:
    """Everything a caller can see after each feed and the finish."""
    splitter = make(limit)
    seen: list[object] = []
    for call in [*(lambda piece=piece: splitter.feed(piece) for piece in pieces), splitter.finish]:
        try:
            seen.append((call(), splitter.count, splitter.held))
        except FrameError as error:
            seen.append((*error.args, splitter.count, splitter.held))
        seen.append((splitter.skipped, None if splitter.fault is None else splitter.fault.args))
    return seen
