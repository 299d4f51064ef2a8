"""JSON text as MessagePack values: the way back from `jsontext`, which has the forms of what JSON cannot express.

Of several pairs of an object with the same key only the last counts, and so it is with pairs in the `$map` form.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

import msgpack

from fastserver.framing.jsontext import EPOCH, extension
from fastserver.framing.pairs import Pairs

MAX_NESTING: Final = 128  # containers, as the splitters allow
DEEPEST_TEXT: Final = 400  # brackets within each other: of a map in the `$map` form there are three

_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)  # a string, or a bracket in none
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?")


def from_json(text: str) -> Any:
    """The value that `text`, one JSON value, stands for: something `msgpack.packb` takes.

    Raises ValueError, with one line that says what is wrong.
    """
    try:
        _check_depth(text)
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_refused_constant
        )
        _check(value, 0)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg[0].lower()}{error.msg[1:]} at column {error.pos + 1}") from None
    except RecursionError:
        raise ValueError(f"more than {MAX_NESTING} nested containers") from None
    return value


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") > DEEPEST_TEXT:
        depth = 0
        for found in _BRACKET.finditer(text):
            depth += {"[": 1, "{": 1}.get(found[0], 0) - {"]": 1, "}": 1}.get(found[0], 0)
            if depth > DEEPEST_TEXT:
                raise ValueError(f"more than {MAX_NESTING} nested containers")


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """The value that a JSON object stands for; its members have been through here already."""
    found: dict[str, Any] = {}
    for key, item in pairs:
        found.pop(key, None)  # the last of several stays where it is
        found[key] = item
    if len(found) == 1:
        [(tag, content)] = found.items()
        if tag in _TAGS:
            read, takes = _TAGS[tag]
            try:
                return read(content)
            except (TypeError, ValueError, OverflowError):
                raise ValueError(f'"{tag}" takes {takes}') from None
    return found


def _read_bin(content: Any) -> bytes:
    if _BASE64.fullmatch(content) is None:
        raise ValueError
    return base64.b64decode(content)


def _read_ext(content: Any) -> msgpack.ExtType:
    if not isinstance(content, list):
        raise TypeError
    code, data = content
    if type(code) is not int or not -128 <= code <= 127 or code == -1:  # -1 is $timestamp
        raise ValueError
    return extension(code, _read_bin(data))


def _read_timestamp(content: Any) -> msgpack.Timestamp:
    if isinstance(content, list):
        seconds, nanoseconds = content
        if type(seconds) is not int or type(nanoseconds) is not int or not -(2**63) <= seconds < 2**63:
            raise ValueError
        return msgpack.Timestamp(seconds, nanoseconds)
    match = _TIME.fullmatch(content)
    if match is None:
        raise ValueError
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    since = datetime(year, month, day, hour, minute, second) - EPOCH
    return msgpack.Timestamp(since // timedelta(seconds=1), int((match[7] or "").ljust(9, "0")))


def _read_float(content: Any) -> float:
    if content not in ("nan", "inf", "-inf"):
        raise ValueError
    return float(content)


def _read_map(content: Any) -> Pairs:
    if not isinstance(content, list) or not all(isinstance(pair, list) for pair in content):
        raise TypeError
    found: dict[bytes, tuple[Any, Any]] = {}
    for key, item in content:
        packed = msgpack.packb(key, unicode_errors="surrogatepass")
        found.pop(packed, None)
        found[packed] = key, item
    return Pairs(found.values())


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
    elif isinstance(value, (dict, list)):
        if depth == MAX_NESTING:
            raise ValueError(f"more than {MAX_NESTING} nested containers")
        if isinstance(value, dict):
            for key, item in value.items():
                _check(key, depth + 1)
                _check(item, depth + 1)
        else:
            for item in value:
                _check(item, depth + 1)
