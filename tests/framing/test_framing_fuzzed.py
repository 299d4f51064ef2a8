"""The findings of the fuzzer are mended, and its checks hold for ordinary inputs (see tests/fuzz.py)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzseeds import ALL_KINDS, FUZZED, seeds

from fastserver.compiled import COMPILED

if not COMPILED:
    pytest.skip("nothing compiled", allow_module_level=True)

from support.fuzzing import of_framing, one

from fastserver.framing.registry import framing

FOUND = {
    # memcpy to a null pointer, if of no bytes: undefined, says C
    "nothing is held of a message over the limit": ("msgpack-stream", b"\x81\xbe\x13", 0xF9, 0x7E, 0x81),
    # 0 added to a null pointer: undefined, says C
    "nothing is held, and nothing is fed": ("telnet", b"", 0x73, 0x15, 0x0B),
}


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    word, stream, options, cuts, more = FOUND[name]
    of_framing(framing(word), stream, options, cuts, more, 0)


@pytest.mark.parametrize(("name", "seed"), [*seeds()])
def test_seed(name: str, seed: bytes) -> None:
    one(seed)


def test_there_are_seeds_of_every_kind() -> None:
    assert {seed[0] for _, seed in seeds()} >= set(range(len(FUZZED)))


@given(st.integers(0, ALL_KINDS - 1), st.binary(max_size=60))
def test_any_input(kind: int, rest: bytes) -> None:
    one(bytes([kind]) + rest)
