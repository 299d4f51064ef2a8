import json
import math
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgpack import ExtType, Timestamp

from fastserver.framing.jsontext import decode, to_json
from fastserver.framing.jsonvalue import MAX_NESTING, from_json
from fastserver.log.escape import shown

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.builds(ExtType, st.integers(0, 127), st.binary())
    | st.builds(Timestamp, st.integers(-(2**63), 2**63 - 1), st.integers(0, 999_999_999))
)
texts_as_keys = st.text() | st.sampled_from(["$bin", "$ext", "$map", "$float", "$timestamp"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts_as_keys, inner, max_size=3)
)
any_key = scalars | st.tuples(scalars, st.tuples(scalars))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, -2.5, True, None]}, '{"a": [1, -2.5, true, null]}'),
        (b"hi", '{"$bin": "aGk="}'),
        (ExtType(5, b"hi"), '{"$ext": [5, "aGk="]}'),
        (Timestamp(1_704_067_200), '{"$timestamp": "2024-01-01T00:00:00Z"}'),
        (Timestamp(-62_135_596_800, 1), '{"$timestamp": "0001-01-01T00:00:00.000000001Z"}'),
        (Timestamp(2**60, 7), '{"$timestamp": [1152921504606846976, 7]}'),
        (math.inf, '{"$float": "inf"}'),
        (-math.inf, '{"$float": "-inf"}'),
        ({"$bin": 1}, '{"$map": [["$bin", 1]]}'),
        ({"$bin": 1, "$ext": 2}, '{"$bin": 1, "$ext": 2}'),
        ({b"k": 1}, '{"$map": [[{"$bin": "aw=="}, 1]]}'),
        ({1: "a", "1": "b"}, '{"$map": [[1, "a"], ["1", "b"]]}'),
        ("grün 漢", '"grün 漢"'),
        ("\x1b\x7f\x85\u202e\u2028\U000e0041", r'"\u001b\u007f\u0085\u202e\u2028\udb40\udc41"'),
    ],
)
def test_a_value_and_its_text(value: Any, text: str) -> None:
    assert to_json(value) == text
    assert from_json(text) == value


def test_nan_there_and_back() -> None:
    assert to_json([math.nan]) == '[{"$float": "nan"}]'
    assert math.isnan(from_json('{"$float": "nan"}'))


def test_keys_that_are_numbers_are_shown_as_their_text() -> None:
    keys = {7: "a", 2.5: "b", None: "c", True: "d"}
    assert to_json(keys) == '{"7": "a", "2.5": "b", "null": "c", "true": "d"}'
    assert from_json('{"$map": [[1, "a"]]}') == {1: "a"}


@given(values)
def test_json_comes_back_as_the_same_value(value: Any) -> None:
    assert from_json(to_json(value)) == value


@given(values)
def test_json_is_standard_and_safe_on_a_terminal(value: Any) -> None:
    text = to_json(value)
    assert "\n" not in text
    assert all(map(shown, text))
    json.loads(text, parse_constant=pytest.fail)


@given(st.dictionaries(any_key, values, max_size=3))
def test_any_map_decodes_shows_and_packs_again(value: dict[Any, Any]) -> None:
    payload = msgpack.packb(value)
    assert msgpack.packb(decode(payload)) == payload
    from_json(to_json(decode(payload)))


def test_arrays_and_maps_as_keys() -> None:
    key = b"\x92\x01\x91\x02"  # [1, [2]]
    inner = b"\x81" + key + b"\x91\x03"  # {[1, [2]]: [3]}
    payload = b"\x81" + inner + b"\x04"
    value = decode(payload)
    [(outer, four)] = value.items()
    assert (outer.items(), four) == ([([1, [2]], [3])], 4)
    assert msgpack.packb(value) == payload
    assert to_json(value) == '{"$map": [[{"$map": [[[1, [2]], [3]]]}, 4]]}'
    assert msgpack.packb(from_json(to_json(value))) == payload


def test_reserved_extension_types() -> None:
    payload = b"\xd5\xfbhi"  # type -5
    assert to_json(decode(payload)) == '{"$ext": [-5, "aGk="]}'
    assert msgpack.packb(from_json('{"$ext": [-5, "aGk="]}')) == payload


@pytest.mark.parametrize(
    "payload",
    [
        b"\x91" * MAX_NESTING + b"\xc0",
        b"\x81" * MAX_NESTING + b"\x01" * (MAX_NESTING + 1),
        b"\x81\x01" * MAX_NESTING + b"\x01",
    ],
    ids=["arrays", "maps as keys", "maps"],
)
def test_nesting_to_the_limit(payload: bytes) -> None:
    text = to_json(decode(payload))
    assert len(text) < 100 * MAX_NESTING
    if b"\x81" not in payload:
        assert msgpack.packb(from_json(text)) == payload


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expecting value at column 1"),
        ('{"a": 1,}', "column"),
        ("[1] 2", "extra data at column 5"),
        ("NaN", 'NaN is not JSON; write {"$float": "nan"}'),
        ("-Infinity", '-Infinity is not JSON; write {"$float": "-inf"}'),
        ("1e999", "number too large for a 64-bit float"),
        ("18446744073709551616", "integer outside -2^63 to 2^64-1"),
        ("-9223372036854775809", "integer outside -2^63 to 2^64-1"),
        ("9" * 100_000, "integer outside -2^63 to 2^64-1"),
        ('"\\ud800"', "half of a surrogate pair in a string"),
        ('{"\\ud800": 1}', "half of a surrogate pair in a string"),
        ("[" * 129 + "]" * 129, "more than 128 nested containers"),
        ("[" * 100_000, "more than 128 nested containers"),
        ('{"$bin": "a"}', '"$bin" takes base64 text'),
        ('{"$bin": 1}', '"$bin" takes base64 text'),
        ('{"$bin": "é"}', '"$bin" takes base64 text'),
        ('{"$ext": [128, ""]}', '"$ext" takes'),
        ('{"$ext": [-1, ""]}', '"$ext" takes'),
        ('{"$ext": [true, ""]}', '"$ext" takes'),
        ('{"$ext": 5}', '"$ext" takes'),
        ('{"$timestamp": "yesterday"}', '"$timestamp" takes'),
        ('{"$timestamp": "2024-13-01T00:00:00Z"}', '"$timestamp" takes'),
        ('{"$timestamp": [0, 1000000000]}', '"$timestamp" takes'),
        ('{"$timestamp": [9223372036854775808, 0]}', '"$timestamp" takes'),
        ('{"$float": "1.5"}', '"$float" takes'),
        ('{"$float": []}', '"$float" takes'),
        ('{"$map": {"a": 1}}', '"$map" takes'),
        ('{"$map": [[1]]}', '"$map" takes'),
        ('{"$map": ["ab"]}', '"$map" takes'),
    ],
)
def test_refused_with_one_line_that_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^.+$") as refused:
        from_json(text)
    assert why in str(refused.value)
    assert len(str(refused.value)) < 120


@given(st.text() | st.text(alphabet='{}[]":,$binmap0123456789.eE-\\u'))
def test_whatever_the_text_packs_or_is_refused(text: str) -> None:
    try:
        value = from_json(text)
    except ValueError:
        return
    msgpack.packb(value)


@pytest.mark.parametrize("payload", [b"", b"\x92\x01", b"\x01\x02", b"\xc1"])
def test_decode_refuses_what_is_not_one_object(payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is msgpack's, and may be empty
        decode(payload)


def test_text_that_is_not_utf8_is_shown_escaped() -> None:
    assert to_json(decode(b"\x81\xa2k\xff\xa2v\xfe")) == r'{"k\udcff": "v\udcfe"}'


def test_what_msgpack_cannot_hold_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="object"):
        to_json([object()])
