"""The splitters under test, compiled and twin, and what came out of one, in a form to compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest

from fastserver.errors import FrameError
from fastserver.framing.lines import LinesSplitter
from fastserver.framing.msgpack import MsgpackSplitter
from fastserver.framing.msgpack_stream import MsgpackStreamSplitter

TWINS: dict[str, Callable[[int], Any]] = {
    "lines": LinesSplitter,
    "msgpack": MsgpackSplitter,
    "msgpack-stream": MsgpackStreamSplitter,
}
COMPILED: dict[str, Callable[[int], Any]] = {}
try:
    from fastserver.framing import _splitters
except ImportError:  # test_framing.py fails then, unless twins were asked for
    pass
else:
    COMPILED = {
        "lines": _splitters.LinesSplitter,
        "msgpack": _splitters.MsgpackSplitter,
        "msgpack-stream": _splitters.MsgpackStreamSplitter,
    }


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
