"""Maps decode in time linear in their bytes, whatever their keys."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.collisions import one_way, packed, same_hash
from support.simulation import Simulation
from support.splitters import both

from fastserver.compiled import COMPILED
from fastserver.examples.bus import command
from fastserver.framing import FRAMINGS, Message, maps
from fastserver.framing import crowded as twin
from fastserver.framing.jsontext import JsonText, decode, to_json
from fastserver.framing.jsonvalue import from_json
from fastserver.framing.maps import FEW, unpack

CROWDED: list[Callable[[list[Any]], bool]] = [twin.crowded]
if COMPILED:
    CROWDED.append(maps.crowded)
NUMBERS = random.Random(1)

ORDERLY = {
    "dense": range(3000),
    "negative": range(-3000, 0),
    "random": [NUMBERS.getrandbits(64) for _ in range(3000)],
    **{f"times 2**{power}": [key << power for key in range(3000)] for power in (8, 16, 32, 44, 52)},
    "nanoseconds": range(1_700_000_000 * 10**9, 1_700_003_000 * 10**9, 10**9),
    "floats": [key / 1024 for key in range(3000)],
    "times": [1.7e9 + key / 1000 for key in range(3000)],
    "timestamps": [msgpack.Timestamp(key, 0) for key in range(3000)],
    "text": [str(key) for key in range(3000)],
    "bytes": [str(key).encode() for key in range(3000)],
    "mixed": [*range(1000), *map(str, range(1000)), *(key / 3 for key in range(1000))],
    "one": [1] * 3000,
    "two": [1, 2] * 1500,
}
CROWDS = {"timestamps": same_hash(1000), "numbers": one_way(1360)}


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many timestamps were compared, one after another."""
    made: list[int] = []
    compare = msgpack.Timestamp.__eq__
    monkeypatch.setattr(msgpack.Timestamp, "__eq__", lambda one, other: made.append(1) or compare(one, other))
    return made


def message(payload: bytes, mode: str = "msgpack") -> Message:
    splitter = FRAMINGS[mode].splitter(1 << 20)
    return splitter.messages(splitter.frame(payload), None)[0]


@pytest.mark.parametrize("crowded", CROWDED)
@pytest.mark.parametrize("name", ORDERLY)
def test_orderly_keys_are_not_crowded(crowded: Callable[[list[Any]], bool], name: str) -> None:
    assert not crowded(list(ORDERLY[name]))


@pytest.mark.parametrize("crowded", CROWDED)
@pytest.mark.parametrize("name", CROWDS)
def test_keys_that_look_for_the_same_place_are(crowded: Callable[[list[Any]], bool], name: str) -> None:
    assert crowded(list(CROWDS[name]))
    assert crowded([*map(str, range(100)), *CROWDS[name]])


@pytest.mark.skipif(not COMPILED, reason="nothing compiled")
@given(
    st.lists(
        st.integers(0, 50) | st.integers(0, 200).map(lambda key: key << 56) | st.sampled_from(CROWDS["timestamps"]),
        max_size=300,
    )
)
def test_compiled_and_twin_agree(keys: list[Any]) -> None:
    assert maps.crowded(keys) is twin.crowded(keys)


@pytest.mark.parametrize("name", ORDERLY)
def test_the_value_of_an_orderly_map(name: str) -> None:
    payload = packed(ORDERLY[name])
    expected = msgpack.unpackb(payload, strict_map_key=False)
    assert unpack(payload) == message(payload).value == expected
    assert dict(decode(payload).items()) == expected
    assert unpack(b"\x93\x81\x01\x02" + payload + b"\xa1x") == [{1: 2}, expected, "x"]


@both("msgpack", "msgpack-stream")
@pytest.mark.parametrize("name", CROWDS)
def test_the_value_of_a_crowded_map_is_refused(make, name: str) -> None:
    splitter = make(1 << 20)
    for payload in (packed(CROWDS[name]), b"\x92\xa1x" + packed(CROWDS[name]), packed(["x"], packed(CROWDS[name]))):
        (one,) = splitter.messages(splitter.frame(payload), None)
        with pytest.raises(ValueError, match=r"^map of \d+ pairs whose keys have the same hash, or nearly$"):
            _ = one.value
        assert one.payload == payload
        assert command(one) is None


def test_keys_of_one_hash_are_not_all_compared(comparisons: list[int]) -> None:
    keys = CROWDS["timestamps"]
    with pytest.raises(ValueError, match="map of 1000 pairs"):
        _ = message(packed(keys)).value
    decode(packed(keys))
    assert len(comparisons) < 20 * len(keys)
    comparisons.clear()
    small = [packed(keys[start : start + FEW]) for start in range(0, 960, FEW)]
    assert len(unpack(b"\xdc" + len(small).to_bytes(2, "big") + b"".join(small))) == len(small)
    assert len(comparisons) <= FEW * 960


@pytest.mark.parametrize(
    "payload",
    [
        *map(packed, CROWDS.values()),
        packed([[key, 1] for key in CROWDS["timestamps"]]),  # arrays as keys
        b"\x81" + packed(CROWDS["timestamps"]) + b"\x01",  # a crowded map as a key
        b"\x81\x91" + packed(CROWDS["timestamps"], b"\x91\x80") + b"\x01",  # within an array that is one
        b"\xdc\x03\xe8" + b"".join(b"\x81\x81" + msgpack.packb(key) + b"\x01\xc0" for key in CROWDS["timestamps"]),
    ],
)
def test_log_and_terminal_show_every_map(payload: bytes, comparisons: list[int]) -> None:
    value = decode(payload)
    assert msgpack.packb(value) == payload
    text = to_json(value)
    if '"$map"' in text:
        assert msgpack.packb(from_json(text)) == payload
    assert len(comparisons) < 20 * 1000
    assert FRAMINGS["msgpack"].show(payload, 200)


@pytest.mark.parametrize("key", [b"\xc4\x00", b"\xca\x7f\xc0\x00\x00", b"\x91\x01", b"\xa4$map"])
def test_nested_maps_are_written_once(monkeypatch: pytest.MonkeyPatch, key: bytes) -> None:
    depth = 14
    calls: list[object] = []
    of = JsonText.of
    monkeypatch.setattr(JsonText, "of", lambda self, value: calls.append(value) or of(self, value))
    to_json(decode((b"\x81" + key) * depth + b"\xc0"))
    assert len(calls) <= 3 * depth + 1


def test_a_server_shows_what_is_nested_to_the_limit_at_once() -> None:
    simulation = Simulation(mode="msgpack-stream", log_messages=20)
    peer, _ = simulation.connect()
    _, heard = simulation.connect()
    payload = b"\x81\xc4\x00" * 128 + b"\xc0"
    peer.data_received(payload)
    simulation.loop.tick()
    assert heard.sent == payload
