"""The kinds of inputs that the fuzzer gives, by their first byte, and one of each to begin with."""

from __future__ import annotations

from collections.abc import Iterator

import msgpack
from support.samples import SAMPLES
from support.splitters import WORDS

FUZZED = [*WORDS, "msgpack?json=parse"]
"""The framings whose streams are tried."""
OBJECTS = len(FUZZED)
"""The first kind that is a MessagePack object."""
TEXTS = OBJECTS + 2
"""The first kind that is JSON text."""
ALL_KINDS = TEXTS + 2

_OBJECTS = (
    {"a": [1, 1.5, None, b"hi"], 7: msgpack.ExtType(5, b"x")},
    [msgpack.Timestamp(1, 2), {1.5: "\n", "$bin": 1}, {b"k": -1, None: True}],
)
_TEXTS = (
    b'{"a": [1, -2.5e3, true, null], "\\u00e9\\ud83d\\ude00": "\\n"}',
    b'{"$map":[[1,2],["a",{"$bin":"aGk="}]]}',
    b'{"$ext":[5,"aGk="],"a":1,"a":2}',
    b'{"$timestamp":"2024-02-29T23:59:59.5Z"}',
    b'{"$timestamp":[-1,5]}',
    b'{"$float":"-inf"}',
)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Names, and inputs."""
    for kind, word in enumerate(FUZZED):
        sample = SAMPLES.get(word) or SAMPLES[word.partition("?")[0]]
        yield f"frames-{kind}", bytes([kind, 0x62, 3, 5]) + sample.frame * 3 + sample.partial
    for number, value in enumerate(_OBJECTS):
        yield f"object-{number}", bytes([OBJECTS, 3, 0, 0]) + msgpack.packb(value)
    for number, text in enumerate(_TEXTS):
        yield f"text-{number}", bytes([TEXTS, 3, 0, 0]) + text
