"""The speed of the splitters: `pytest bench/test_splitters.py --benchmark-enable`.

`extra_info` of each result has it in GB/s and frames/s, of its fastest round.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from fastserver.framing.lines import LinesSplitter
from fastserver.framing.msgpack import MsgpackSplitter
from fastserver.framing.msgpack_stream import MsgpackStreamSplitter

LIMIT = 1 << 20
STREAM = 1 << 20  # bytes fed per round, cut into chunks wherever they end

SPLITTERS: dict[str, dict[str, Callable[[int], Any]]] = {
    "lines": {"twin": LinesSplitter},
    "msgpack": {"twin": MsgpackSplitter},
    "msgpack-stream": {"twin": MsgpackStreamSplitter},
}
try:
    from fastserver.framing import _splitters
except ImportError:
    pass
else:
    SPLITTERS["lines"]["compiled"] = _splitters.LinesSplitter
    SPLITTERS["msgpack"]["compiled"] = _splitters.MsgpackSplitter
    SPLITTERS["msgpack-stream"]["compiled"] = _splitters.MsgpackStreamSplitter

VALUES = {
    16: {"id": 7, "v": 300, "k": "ab"},
    64: {"sensor": "kitchen7", "temp": 215, "hum": 4411, "time": 1700000000, "state": "on-standby1"},
    1024: {"id": 12345, "body": "x" * 1005},
}


def frame_of(framing: str, size: int) -> bytes:
    """A frame of about `size` bytes; the msgpack one of 64 is a map of five short keys to small values."""
    if framing == "lines":
        return b"x" * (size - 1) + b"\n"
    packed: bytes = msgpack.packb(VALUES[size])
    return packed if framing == "msgpack-stream" else struct.pack(">I", len(packed)) + packed


CASES = [
    pytest.param(framing, size, kind, chunk, id=f"{framing}-{size}B-{kind}{more}")
    for framing, kinds in SPLITTERS.items()
    for size in VALUES
    for kind in kinds
    for chunk, more in ((65_536, ""), (256_000, "-256k"))
]


@pytest.mark.parametrize(("framing", "size", "kind", "chunk"), CASES)
def test_split(benchmark: Any, framing: str, size: int, kind: str, chunk: int) -> None:
    frame = frame_of(framing, size)
    frames = STREAM // len(frame)
    stream = frame * frames
    pieces = [stream[at : at + chunk] for at in range(0, len(stream), chunk)]
    splitter = SPLITTERS[framing][kind](LIMIT)

    def split() -> int:
        return sum(bool(splitter.feed(piece)) * splitter.count for piece in pieces)

    assert benchmark(split) == frames
    if benchmark.stats is not None:
        fastest = benchmark.stats.stats.min
        benchmark.extra_info["GB/s"] = round(len(stream) / fastest / 1e9, 3)
        benchmark.extra_info["frames/s"] = round(frames / fastest)
        benchmark.extra_info["bytes/frame"] = len(frame)


@pytest.mark.parametrize("framing", SPLITTERS)
@pytest.mark.parametrize("kind", SPLITTERS["lines"])
def test_message(benchmark: Any, framing: str, kind: str) -> None:
    """A `Message` for each 64-byte frame of a 64 KiB chunk, given to a Python function."""
    frame = frame_of(framing, 64)
    frames = frame * (65_536 // len(frame))
    splitter = SPLITTERS[framing][kind](LIMIT)

    def handler(message: object) -> None:
        pass

    def handle() -> None:
        for message in splitter.messages(frames, None).one_by_one():
            handler(message)

    benchmark(handle)
    if benchmark.stats is not None:
        each = benchmark.stats.stats.min / (len(frames) // len(frame))
        benchmark.extra_info["ns/message"] = round(each * 1e9, 1)
