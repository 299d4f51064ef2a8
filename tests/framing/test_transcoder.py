"""MessagePack as JSON text and JSON text as MessagePack: the compiled transcoder and its twin say the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.jsons import ALL_OBJECTS, TEXTS
from support.strategies import damaged

from fastserver.framing import transcoder

try:
    from fastserver.framing import _splitters
except ImportError:  # test_framing.py fails then, unless twins were asked for
    KINDS: dict[str, Any] = {"twin": transcoder}
else:
    KINDS = {"twin": transcoder, "compiled": _splitters}

COMPILED = KINDS.get("compiled")
BOTH = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
COMPARED = pytest.mark.skipif(COMPILED is None, reason="nothing compiled")
NO_LIMIT = 1 << 40


def result(call: Callable[..., bytes], *arguments: Any) -> bytes | None:
    try:
        return call(*arguments)
    except ValueError:
        return None


@COMPARED
@given(ALL_OBJECTS, st.sampled_from([0, 1, 2, 5, 20, 50, 100, 1000, NO_LIMIT]))
def test_objects_become_the_same_text(payload: bytes, limit: int) -> None:
    text = result(transcoder.json_of, payload, limit)
    assert result(COMPILED.json_of, payload, limit) == text
    if text is not None:
        assert json.loads(text, parse_constant=pytest.fail) is not Ellipsis
        again = result(transcoder.object_of, text)
        assert result(COMPILED.object_of, text) == again
        assert again is not None or b"\\ud" in text  # a byte that is not UTF-8, as half of a surrogate pair


@COMPARED
@given(damaged(ALL_OBJECTS))
def test_malformed_objects_are_refused(payload: bytes) -> None:
    assert result(COMPILED.json_of, payload, NO_LIMIT) == result(transcoder.json_of, payload, NO_LIMIT)


@COMPARED
@given(TEXTS)
def test_texts_become_the_same_object(text: str) -> None:
    assert result(COMPILED.object_of, text.encode()) == result(transcoder.object_of, text.encode())


@COMPARED
@given(damaged(TEXTS.map(str.encode)))
def test_damaged_texts_become_the_same_object(text: bytes) -> None:
    assert result(COMPILED.object_of, text) == result(transcoder.object_of, text)


@BOTH
@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        (b"\x82\xa1a\x01\xa1a\x02", '{"a":2}'),
        (b"\x83\xa1a\x01\xa1b\x02\xa1a\x03", '{"b":2,"a":3}'),
        (b"\x82\x01\x01\xa11\x02", '{"$map":[[1,1],["1",2]]}'),
        (b"\x83\x01\x01\xa11\x02\xcc\x01\x03", '{"$map":[["1",2],[1,3]]}'),
        (b"\x82\x01\x01\xcb\x3f\xf0\0\0\0\0\0\0\x02", '{"1":1,"1.0":2}'),
        (b"\x82\x01\x01\xc3\x02", '{"1":1,"true":2}'),
        (b"\x82\xc4\x01k\x01\xc4\x01k\x02", '{"$map":[[{"$bin":"aw=="},2]]}'),
        (b"\x82\xa4$bin\x01\xa4$bin\x02", '{"$map":[["$bin",2]]}'),
        (b"\x82\xa4$bin\x01\xa1a\x02", '{"$bin":1,"a":2}'),
        (b"\x80", "{}"),
        (b"\x81\x90\x80", '{"$map":[[[],{}]]}'),
    ],
)
def test_maps(kind: Any, pairs: bytes, text: str) -> None:
    assert kind.json_of(pairs, NO_LIMIT).decode() == text


@BOTH
def test_many_pairs_with_the_same_keys(kind: Any) -> None:
    keys = [number % 50 for number in range(1000)]
    payload = b"\xde\x03\xe8" + b"".join(msgpack.packb(key) + msgpack.packb(at) for at, key in enumerate(keys))
    assert json.loads(kind.json_of(payload, NO_LIMIT)) == {str(key): 950 + key for key in range(50)}
    text = json.dumps(dict(enumerate(keys)))[:-1] + ',"7":1}'
    last = {str(key): value for key, value in enumerate(keys) if key != 7} | {"7": 1}
    assert list(msgpack.unpackb(kind.object_of(text.encode())).items()) == list(last.items())


@BOTH
@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": [1, -2.5, true, null, "\\u00e9\\ud83d\\ude00"]}\r\n', {"a": [1, -2.5, True, None, "é😀"]}),
        ('{"a":1,"b":2,"a":3}', {"b": 2, "a": 3}),
        ('{"$bin":1,"$bin":"aGk="}', b"hi"),
        ('{"$map":[[1,2],["1",3],[1,4]]}', {"1": 3, 1: 4}),
        ('{"$map":[],"$map":[[1,2]]}', {1: 2}),
        ('{"\\u0024map":[]}', {}),
        ('{"$map":[[1,2]],"x":0}', {"$map": [[1, 2]], "x": 0}),
        ('{"$timestamp":"2024-02-29T23:59:59.5Z"}', msgpack.Timestamp(1709251199, 500_000_000)),
        ('{"$timestamp":[-1,5]}', msgpack.Timestamp(-1, 5)),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("-0", 0),
        ("1e-400", 0.0),
        ('{"a":"\\ud800","a":1}', {"a": 1}),  # half of a surrogate pair that another value replaces
        ('{"a":' + "[" * 200 + "]" * 200 + ',"a":1}', {"a": 1}),
    ],
)
def test_text_that_is_a_value(kind: Any, text: str, value: Any) -> None:
    assert kind.object_of(text.encode()) == msgpack.packb(value)


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "1 2",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "18446744073709551616",
        "-9223372036854775809",
        "9" * 10_000,
        "NaN",
        "-Infinity",
        "1e400",
        '"\\ud800"',
        '{"\\udfff":1}',
        '"\t"',
        '"\\x41"',
        "[" * 129 + "]" * 129,
        "[" * 1_000_000,
        '{"$map":[[' * 150 + "1" + ",2]]}" * 150,
        "\ufeff1",
        '{"a":1,}',
        "{1:2}",
        "[1,]",
        '{"$bin":"A==="}',
        '{"$ext":[-1,""]}',
        '{"$ext":{"$map":[[5,1],["aGk=",2]]}}',
        '{"$timestamp":"2023-02-29T00:00:00Z"}',
        '{"$timestamp":"2023-02-28T24:00:00Z"}',
        '{"$map":[[1,2],[3]]}',
        "\u00a01",
    ],
)
def test_text_that_is_none(kind: Any, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reason is json's, or none
        kind.object_of(text.encode())


@BOTH
def test_as_deep_as_an_object_can_be(kind: Any) -> None:
    arrays = b"\x91" * 128 + b"\xc0"
    assert kind.object_of(kind.json_of(arrays, NO_LIMIT)) == arrays
    maps = b"\x81\x90" * 127 + b"\xc0"  # a key is a container too
    assert kind.object_of(kind.json_of(maps, NO_LIMIT)) == maps


@BOTH
def test_the_limit_is_that_of_the_text_and_of_pairs_that_were_replaced(kind: Any) -> None:
    payload = b"\x82\xa1a\x01\xa1a\xa5\x00\x00\x00\x00\x00"
    text = b'{"a":"' + b"\\u0000" * 5 + b'"}'
    replaced = len('"a":1,')
    assert kind.json_of(payload, len(text) + replaced) == text
    with pytest.raises(ValueError, match=f"^JSON text of more than {len(text)} bytes$"):
        kind.json_of(payload, len(text))


@BOTH
def test_all_lengths_of_heads(kind: Any) -> None:
    for size in (0, 15, 16, 31, 32, 255, 256, 65535, 65536):
        for value in ("x" * size, "é" * (size // 2), b"x" * size, [None] * size, {str(key): 0 for key in range(size)}):
            payload = msgpack.packb(value)
            assert kind.object_of(kind.json_of(payload, NO_LIMIT)) == payload
        payload = msgpack.packb(msgpack.ExtType(5, b"x" * size))
        assert kind.object_of(kind.json_of(payload, NO_LIMIT)) == payload
        assert kind.object_of(b'"' + b"\\u00e9" * size + b'"') == msgpack.packb("é" * size)


@BOTH
@given(st.integers(-62_135_596_800 - 99, 253_402_300_799 + 99), st.integers(0, 999_999_999))
def test_times_there_and_back(kind: Any, seconds: int, nanoseconds: int) -> None:
    payload = msgpack.packb(msgpack.Timestamp(seconds, nanoseconds))
    assert kind.json_of(payload, NO_LIMIT) == transcoder.json_of(payload, NO_LIMIT)
    assert kind.object_of(kind.json_of(payload, NO_LIMIT)) == payload
