"""The cost of translation: `pytest bench/test_translation.py --benchmark-enable`.

`extra_info` of each result says it in ns per message of its fastest round, for batches of 256 messages of about 64
bytes. A batch is translated once for each framing, however many receive it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from fastserver.compiled import COMPILED
from fastserver.framing import translation
from fastserver.framing.registry import framing, translate

BATCH = 256
LIMIT = 1 << 20

VALUES = {
    "text": "on-standby, kitchen 7, all is well: nothing to see here, go on",
    "record": {"sensor": "kitchen7", "temp": 215, "hum": 4411, "time": 1700000000, "state": "on-standby1"},
    "floats": {"sensor": "kitchen7", "temp": 21.5, "hum": 44.11, "time": 1700000000.25, "s": "on"},
}
"""As MessagePack the last two have 59 and 63 bytes, as JSON 83 and 75."""

PAIRS = [
    ("lines", "lines?eol=crlf"),
    ("lines", "delimited"),
    ("lines", "octet"),
    ("lines", "length?bytes=2"),
    ("lines", "varint"),
    ("lines", "netstring"),
    ("lines", "msgpack"),
    ("lines", "msgpack?json=parse"),
    ("msgpack", "lines"),
    ("msgpack-stream", "lines"),
    ("msgpack-stream", "msgpack"),
]
KINDS: dict[str, Callable[..., translation.Translation]] = {"twin": translation.translate}
if COMPILED:
    KINDS["compiled"] = translate


def frame_of(word: str, value: object) -> bytes:
    if word == "lines":
        return (value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))).encode() + b"\n"
    packed: bytes = msgpack.packb(value)
    return packed if word == "msgpack-stream" else struct.pack(">I", len(packed)) + packed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_translate(benchmark: Any, source: str, target: str, name: str, kind: str) -> None:
    benchmark.group = f"{source} to {target}"
    frames = frame_of(source, VALUES[name]) * BATCH
    found = benchmark(KINDS[kind], framing(source), framing(target), frames, BATCH, LIMIT)
    assert (found.messages, found.untranslatable) == (BATCH, 0)
    if benchmark.stats is not None:
        benchmark.extra_info["ns/message"] = round(benchmark.stats.stats.min / BATCH * 1e9, 1)
