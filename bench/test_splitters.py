"""The speed of the splitters: `pytest bench/test_splitters.py --benchmark-enable`.

`extra_info` of each result has it in GB/s and frames/s, of its fastest round.
"""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from support.samples import SAMPLES
from support.splitters import COMPILED, TWINS

from fastserver.framing.registry import framing

LIMIT = 1 << 20
STREAM = 1 << 20  # bytes fed per round, cut into chunks wherever they end

KINDS = {"twin": TWINS, "compiled": COMPILED}

VALUES = {
    16: {"id": 7, "v": 300, "k": "ab"},
    64: {"sensor": "kitchen7", "temp": 215, "hum": 4411, "time": 1700000000, "state": "on-standby1"},
    1024: {"id": 12345, "body": "x" * 1005},
}


def frame_of(mode: str, size: int) -> bytes:
    """A frame of about `size` bytes; the MessagePack object of 64 is a map of five short keys to small values."""
    form = framing(mode)
    if form.typed:
        return form.frame(msgpack.packb(VALUES[size]))
    around = len(form.frame(form.codec.sized(size))) - size
    return form.frame(form.codec.sized(size - around))


def has_form(mode: str, size: int) -> bool:
    """Whether the framing can say that many bytes: a length of one byte cannot say 1024."""
    try:
        frame_of(mode, size)
    except ValueError:
        return False
    return True


CASES = [
    pytest.param(mode, size, kind, chunk, id=f"{mode}-{size}B-{kind}{more}")
    for mode in SAMPLES
    for size in VALUES
    for kind, splitters in KINDS.items()
    if mode in splitters and has_form(mode, size)
    for chunk, more in ((65_536, ""), (256_000, "-256k"))
]


@pytest.mark.parametrize(("mode", "size", "kind", "chunk"), CASES)
def test_split(benchmark: Any, mode: str, size: int, kind: str, chunk: int) -> None:
    frame = frame_of(mode, size)
    frames = STREAM // len(frame)
    stream = frame * frames
    pieces = [stream[at : at + chunk] for at in range(0, len(stream), chunk)]
    splitter = KINDS[kind][mode](LIMIT)

    def split() -> int:
        return sum(bool(splitter.feed(piece)) * splitter.count for piece in pieces)

    assert benchmark(split) == frames
    if benchmark.stats is not None:
        fastest = benchmark.stats.stats.min
        benchmark.extra_info["GB/s"] = round(len(stream) / fastest / 1e9, 3)
        benchmark.extra_info["frames/s"] = round(frames / fastest)
        benchmark.extra_info["bytes/frame"] = len(frame)


@pytest.mark.parametrize(
    ("mode", "kind"), [(mode, kind) for kind, splitters in KINDS.items() for mode in SAMPLES if mode in splitters]
)
def test_message(benchmark: Any, mode: str, kind: str) -> None:
    """A `Message` for each 64-byte frame of a 64 KiB chunk, given to a Python function."""
    frame = frame_of(mode, 64)
    frames = frame * (65_536 // len(frame))
    splitter = KINDS[kind][mode](LIMIT)

    def handler(message: object) -> None:
        pass

    def handle() -> None:
        for message in splitter.messages(frames, None).one_by_one():
            handler(message)

    benchmark(handle)
    if benchmark.stats is not None:
        each = benchmark.stats.stats.min / (len(frames) // len(frame))
        benchmark.extra_info["ns/message"] = round(each * 1e9, 1)
