"""MessagePack values as JSON text and back, for people and line-based tools.

A value that JSON cannot express becomes an object with one key, which names its type:

    {"$bin": "aGk="}                              bytes, as base64
    {"$ext": [5, "aGk="]}                         extension type and data
    {"$timestamp": "2024-01-01T00:00:00.000000001Z"}    or [seconds, nanoseconds] outside the years 1 to 9999
    {"$float": "nan"}                             also "inf" and "-inf"
    {"$map": [[[1, 2], "x"]]}                     a map, as pairs of key and value

A map is a JSON object where that is clear. Keys that are numbers, booleans or nil are shown as their JSON
text, and so come back as strings; the `$map` form keeps them. A map is shown in that form only if it has
other keys, two keys with the same text, or would read as one of the objects above.
"""

from __future__ import annotations

import base64
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

import msgpack

from fastserver.framing.maps import FEW, are_crowded, unpacked
from fastserver.log.escape import shown

MAX_NESTING: Final = 128  # containers, as the splitters allow

_EPOCH: Final = datetime(1970, 1, 1)  # UTC, like every time here
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


class MapKey(dict[Any, Any]):
    """A map that is the key of another map, which a plain dict cannot be; never changed once made."""

    __slots__ = ("_hash",)

    def __init__(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        super().__init__(pairs)
        self._hash = sum(map(hash, self.items())) & sys.maxsize  # no set, which their hashes could make slow

    def __hash__(self) -> int:  # type: ignore[override]
        return self._hash


class Pairs(dict[Any, Any]):
    """A map that would be a slow dict, as its pairs: all that this module and `msgpack.packb` need."""

    __slots__ = ("_hash", "_pairs")

    def __init__(self, pairs: Iterable[tuple[Any, Any]], hashable: bool = False) -> None:
        super().__init__()
        self._pairs = list(pairs)
        self._hash = hash(tuple(self._pairs)) if hashable else None

    @property
    def hashable(self) -> bool:
        """True if the map can be a key: its values were made hashable."""
        return self._hash is not None

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._pairs)

    def items(self) -> list[tuple[Any, Any]]:  # type: ignore[override]
        return self._pairs

    def values(self) -> Iterator[Any]:  # type: ignore[override]
        return (item for _, item in self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pairs) and self._pairs == other._pairs

    def __hash__(self) -> int:  # type: ignore[override]
        if self._hash is None:
            raise TypeError("pairs of which the values have no hash")
        return self._hash


def decode(payload: bytes) -> Any:
    """The value of `payload`, exactly one MessagePack object; bytes, `ExtType` and `Timestamp` stay as they are.

    Every well-formed payload decodes, in time linear in its bytes: an array that is a map's key becomes a tuple, a
    map that is a key a `MapKey`, a map that would be a slow dict `Pairs`; text that is not UTF-8 has its bytes
    as surrogates. Of keys that Python holds equal (1 and true) the last stays. Raises ValueError for anything else.
    """
    try:
        return unpacked(payload, _map, ext_hook=_ext)
    except TypeError:  # a key is a list or a dict: rare, so only now the slower way
        return msgpack.unpackb(
            payload, strict_map_key=False, ext_hook=_ext, object_pairs_hook=_map, unicode_errors="surrogateescape"
        )


def to_json(value: Any, compact: bool = False) -> str:
    """`value`, anything MessagePack can hold, as one line of JSON that is safe to show on a terminal; `compact` has no
    spaces between its parts.

    Raises TypeError for what MessagePack cannot hold.
    """
    text = json.dumps(_node(value), ensure_ascii=False, separators=(",", ":") if compact else None)
    if text.isprintable():
        return text
    return "".join(char if shown(char) else json.dumps(char)[1:-1] for char in text)


def from_json(text: str) -> Any:
    """The value that `text`, one JSON value, stands for: something `msgpack.packb` takes.

    Raises ValueError, with one line that says what is wrong.
    """
    try:
        value = json.loads(
            text, object_hook=_value, parse_int=_int, parse_float=_float, parse_constant=_refused_constant
        )
        _check(value, 0)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg[0].lower()}{error.msg[1:]} at column {error.pos + 1}") from None
    except RecursionError:
        raise ValueError(f"more than {MAX_NESTING} nested containers") from None
    return value


# --- MessagePack values


def _ext(code: int, data: bytes) -> msgpack.ExtType:
    # ExtType refuses the types below 0, which MessagePack reserves but which are well-formed.
    return tuple.__new__(msgpack.ExtType, (code, data))


def _map(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    known = [(_hashable(key), value) for key, value in pairs]
    # Comparing containers takes long by itself, so that many are not worth a look at their hashes.
    many = len(known) > FEW and any(isinstance(key, (tuple, dict)) for key, _ in known)
    return Pairs(known) if many or are_crowded(known) else dict(known)


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, Pairs):
        return value if value.hashable else Pairs([(key, _hashable(item)) for key, item in value.items()], True)
    if isinstance(value, dict) and not isinstance(value, MapKey):
        return MapKey((key, _hashable(item)) for key, item in value.items())
    return value


# --- values to JSON


def _node(value: Any) -> Any:
    """`value` as something `json.dumps` writes as described above."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bin": _base64(value)}
    if isinstance(value, msgpack.ExtType):  # before tuple, which it is
        return {"$ext": [value.code, _base64(value.data)]}
    if isinstance(value, msgpack.Timestamp):
        return {"$timestamp": _time(value)}
    if isinstance(value, (list, tuple)):
        return [_node(item) for item in value]
    if isinstance(value, dict):
        return _object(value)
    raise TypeError(f"MessagePack cannot hold {type(value).__name__}")


def _object(value: dict[Any, Any]) -> dict[str, Any]:
    nodes = [_node(item) for item in value.values()]  # once: twice at every level would be 2^128 times
    named = dict(zip(map(_name, value), nodes, strict=True))
    if None in named or len(named) < len(value) or (len(named) == 1 and not _TAGS.keys().isdisjoint(named)):
        return {"$map": [[_node(key), node] for key, node in zip(value, nodes, strict=True)]}
    return named  # type: ignore[return-value]


def _name(key: Any) -> str | None:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, int)) or (isinstance(key, float) and math.isfinite(key)):
        return json.dumps(key)
    # JSON text within JSON text doubles its escapes at every level, so containers have no name.
    return None


def _base64(data: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(data).decode("ascii")


def _time(value: msgpack.Timestamp) -> str | list[int]:
    try:
        moment = _EPOCH + timedelta(seconds=value.seconds)
    except OverflowError:
        return [value.seconds, value.nanoseconds]
    fraction = f".{value.nanoseconds:09}" if value.nanoseconds else ""
    return f"{moment.isoformat()}{fraction}Z"


# --- JSON to values


def _value(node: dict[str, Any]) -> Any:
    """The value that a JSON object stands for; its members have been through here already."""
    if len(node) == 1:
        [(tag, content)] = node.items()
        if tag in _TAGS:
            read, takes = _TAGS[tag]
            try:
                return read(content)
            except (TypeError, ValueError, OverflowError):
                raise ValueError(f'"{tag}" takes {takes}') from None
    return node


def _read_bin(content: Any) -> bytes:
    if not isinstance(content, str):
        raise TypeError
    return base64.b64decode(content, validate=True)


def _read_ext(content: Any) -> msgpack.ExtType:
    code, data = content
    if type(code) is not int or not -128 <= code <= 127 or code == -1:  # -1 is $timestamp
        raise ValueError
    return _ext(code, _read_bin(data))


def _read_timestamp(content: Any) -> msgpack.Timestamp:
    if isinstance(content, list):
        seconds, nanoseconds = content
        if type(seconds) is not int or type(nanoseconds) is not int or not -(2**63) <= seconds < 2**63:
            raise ValueError
        return msgpack.Timestamp(seconds, nanoseconds)
    match = _TIME.fullmatch(content)
    if match is None:
        raise ValueError
    moment = datetime.fromisoformat(match[1])
    return msgpack.Timestamp((moment - _EPOCH) // timedelta(seconds=1), int((match[2] or "").ljust(9, "0")))


def _read_float(content: Any) -> float:
    if content not in ("nan", "inf", "-inf"):
        raise ValueError
    return float(content)


def _read_map(content: Any) -> dict[Any, Any]:
    if not isinstance(content, list) or not all(isinstance(pair, list) for pair in content):
        raise TypeError
    return _map((key, value) for key, value in content)


_TAGS: Final[dict[str, tuple[Callable[[Any], Any], str]]] = {
    "$bin": (_read_bin, "base64 text"),
    "$ext": (_read_ext, "[type, base64 text], the type -128 to 127 and not -1"),
    "$timestamp": (_read_timestamp, 'text like "2024-01-01T00:00:00Z" or [seconds, nanoseconds]'),
    "$float": (_read_float, '"nan", "inf" or "-inf"'),
    "$map": (_read_map, "an array of [key, value]"),
}


def _int(text: str) -> int:
    value = int(text) if len(text) <= 20 else 2**64
    if not -(2**63) <= value < 2**64:
        raise ValueError("integer outside -2^63 to 2^64-1")
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("number too large for a 64-bit float")
    return value


def _refused_constant(text: str) -> NoReturn:
    tag = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}[text]
    raise ValueError(f'{text} is not JSON; write {{"$float": "{tag}"}}')


def _check(value: Any, depth: int) -> None:
    """Raises ValueError if `value` holds something that JSON can express and MessagePack cannot."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair in a string") from None
    elif isinstance(value, (dict, list, tuple)) and not isinstance(value, msgpack.ExtType):
        if depth == MAX_NESTING:
            raise ValueError(f"more than {MAX_NESTING} nested containers")
        if isinstance(value, dict):
            for key in value:
                _check(key, depth + 1)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)
