"""MessagePack objects and JSON texts to try the transcoders with: with maps of any keys, some of them the same."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
from hypothesis import strategies as st
from support.strategies import OBJECTS, TIMESTAMPS


def array_of(objects: list[bytes]) -> bytes:
    return b"\xdc" + struct.pack(">H", len(objects)) + b"".join(objects)


def map_of(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"\xde" + struct.pack(">H", len(pairs)) + b"".join(key + value for key, value in pairs)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-3, 3),
    st.floats(),
    st.builds(lambda digits, after: digits / 10**after, st.integers(-(10**16), 10**16), st.integers(0, 9)),
    st.builds(lambda digits, after: digits / 10**after, st.integers(-(10**5), 10**5), st.integers(0, 8)),
    st.text(max_size=6),
    st.sampled_from(["1", "true", "null", "$bin", "$map", "$ext", "$float", "$timestamp"]),
    st.binary(max_size=5),
    st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
    TIMESTAMPS,
).map(msgpack.packb)
MORE_SCALARS = st.one_of(
    st.floats(width=32).map(lambda value: b"\xca" + struct.pack(">f", value)),
    st.binary(max_size=9).map(lambda data: bytes([0xA0 | len(data)]) + data),  # not always UTF-8
    st.integers(-128, -2).map(lambda code: b"\xd4" + struct.pack(">b", code) + b"x"),
    st.integers(0, 9).map(lambda value: b"\xcf" + struct.pack(">Q", value)),
)
ALL_OBJECTS = st.one_of(
    OBJECTS,
    st.recursive(
        st.one_of(SCALARS, MORE_SCALARS),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(array_of),
            st.lists(st.tuples(inner, inner), max_size=4).map(map_of),
            st.lists(st.tuples(st.integers(0, 9).map(msgpack.packb), inner), min_size=17, max_size=20).map(map_of),
        ),
        max_leaves=12,
    ),
)

NUMBERS = st.builds(
    lambda whole, point, after, exponent: f"{whole}{point}{after}{exponent}",
    st.one_of(st.integers(-(10**17), 10**17), st.integers(-9, 9)),
    st.sampled_from(["", "."]),
    st.one_of(st.integers(0, 10**17), st.integers(0, 99)).map(lambda digits: f"{digits:02}"),
    st.sampled_from(["", "", "e5", "E-300", "e+"]),
) | st.sampled_from(
    ["0", "-0", "5", "-1", "-128", "200", "1e5", "1E+400", "-1.5e-3", "1000000000", str(2**64 - 1), str(-(2**63)), "1e"]
)
STRINGS = st.sampled_from(
    [
        '"a"',
        '"aGk="',
        '"A==="',
        '"AA=A"',
        '"AB=="',
        '"nan"',
        '"-inf"',
        '"é"',
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\ud83d\\u0041x"',
        '"\\n\\/\\b"',
        '"2024-02-29T23:59:59.5Z"',
        '"2023-02-29T00:00:00Z"',
        '"0001-01-01T00:00:00Z"',
        '"9999-12-31T23:59:59.123456789Z"',
    ]
)
KEYS = st.sampled_from(['"a"', '"b"', '"$bin"', '"$ext"', '"$map"', '"$float"', '"$timestamp"', '"\\u0024map"'])
TOKENS = st.one_of(NUMBERS, STRINGS, KEYS, st.sampled_from(["{", "}", "[", "]", ",", ":", " ", "\n", "true", "nul"]))


def _array(items: list[str]) -> str:
    return f"[{', '.join(items)}]"


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"


def _map(pairs: list[tuple[str, str]]) -> str:
    return _object([('"$map"', _array([_array([key, value]) for key, value in pairs]))])


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3).map(_array),
        st.lists(inner, min_size=16, max_size=17).map(_array),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(_object),
        st.lists(st.tuples(inner, inner), max_size=20).map(_map),
        st.tuples(inner, st.lists(st.tuples(inner, inner), max_size=3)).map(
            lambda made: _object([('"$map"', made[0]), *[('"$map"', _map(made[1])[8:-1])]])
        ),
    )


TEXTS = st.one_of(
    st.recursive(st.one_of(NUMBERS, STRINGS, st.sampled_from(["true", "null", '[5,"aGk="]'])), _nested, max_leaves=12),
    st.lists(TOKENS, max_size=12).map("".join),
    st.text(max_size=8),
)
