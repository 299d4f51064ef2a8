"""The checks of each input of the fuzzer: one stream for one framing, cut, and what comes of it translated.

The compiled code runs with every input. What it must come to does not depend on cuts, and sometimes its twin says it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from support.fuzzseeds import ALL_KINDS, FUZZED, OBJECTS, TEXTS
from support.splitters import TWINS

from fastserver.errors import FrameError
from fastserver.framing import _splitters, transcoder, translation
from fastserver.framing.arguments import INVALID_TEXT, OVERSIZE
from fastserver.framing.framing import Framing
from fastserver.framing.registry import framing

TWIN_EVERY = 64
"""The twin, which takes far longer, gets an input of so many."""
UNCUT_EVERY = 4
"""Another splitter gets an input of so many, uncut."""

LIMITS = (1, 9, 100, 100_000)
FRAMINGS = [framing(word) for word in FUZZED]

Result = tuple[bytes, int, object, int]


def split(make: Callable[..., Any], arguments: tuple[Any, ...], pieces: Iterable[bytes]) -> Result:
    """The frames of a stream, how many, the refusal, and how many messages were skipped."""
    splitter = make(*arguments)
    frames = []
    count = skipped = 0
    try:
        for piece in pieces:
            frames.append(splitter.feed(piece))
            count += splitter.count
            skipped += splitter.skipped
        frames.append(splitter.finish())
        return b"".join(frames), count + splitter.count, None, skipped
    except FrameError as error:
        frames.append(error.frames)
        refusal = error.saw, error.offset, error.limit
        return b"".join(frames), count + error.count, refusal, skipped + splitter.skipped


def cut(stream: bytes, cuts: int, more: int) -> list[bytes]:
    """The stream in up to five pieces, or in many small ones."""
    size = len(stream)
    if cuts > 250:
        return [stream[at : at + cuts - 250] for at in range(0, size, cuts - 250)]
    ends = sorted({0, size, cuts % (size + 1), more % (size + 1), (cuts * more) % (size + 1), size - more % (size + 1)})
    return [stream[start:end] for start, end in pairwise(ends)]


def of_framing(chosen: Framing, stream: bytes, options: int, cuts: int, more: int, number: int) -> None:
    twin = number % TWIN_EVERY == 0
    arguments = LIMITS[options & 3], INVALID_TEXT[(options >> 2) % 3], OVERSIZE[options >> 7]
    found = split(chosen.splitter, arguments, cut(stream, cuts, more))
    if number % UNCUT_EVERY == 0:
        assert split(chosen.splitter, arguments, (stream,)) == found
    if twin and chosen.name in TWINS:
        assert split(TWINS[chosen.name], arguments, (stream,)) == found
    frames, count, *_ = found
    if count:
        translated(chosen, FRAMINGS[(cuts + more) % len(FRAMINGS)], frames, count, LIMITS[options >> 5 & 3], twin)


def translated(source: Framing, target: Framing, frames: bytes, count: int, limit: int, twin: bool) -> None:
    found = _splitters.translate(source, target, frames, count, limit)
    if twin:
        assert translation.translate(source, target, frames, count, limit) == found
    again = target.resplitter()
    assert again.feed(found[0]) == found[0]
    assert (again.count, again.held, found[1] + found[2]) == (found[1], 0, count)


def result(call: Callable[..., bytes], *arguments: Any) -> bytes | None:
    try:
        return call(*arguments)
    except ValueError:
        return None


def of_object(payload: bytes, limit: int, twin: bool) -> None:
    text = result(_splitters.json_of, payload, limit)
    if twin:
        assert result(transcoder.json_of, payload, limit) == text
    if text is not None:
        assert result(_splitters.object_of, text) is not None or b"\\ud" in text


def of_text(text: bytes, twin: bool) -> None:
    payload = result(_splitters.object_of, text)
    if twin:
        assert result(transcoder.object_of, text) == payload
    if payload is not None:
        assert result(_splitters.json_of, payload, 1 << 30) is not None


def one(data: bytes) -> None:
    """Takes an input: four bytes that say what to do, and a stream."""
    if len(data) < 4:
        return
    kind, options, cuts, more = data[:4]
    stream = data[4:]
    number = zlib.crc32(data)
    kind %= ALL_KINDS
    if kind < OBJECTS:
        of_framing(FRAMINGS[kind], stream, options, cuts, more, number)
    elif kind < TEXTS:
        of_object(stream, LIMITS[options & 3], number % TWIN_EVERY == 0)
    else:
        of_text(stream, number % TWIN_EVERY == 0)
