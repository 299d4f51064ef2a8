"""MessagePack values as JSON text, for people and line-based tools. `jsonvalue` reads it back.

A value that JSON cannot express becomes an object with one key, which names its type:

    {"$bin": "aGk="}                              bytes, as base64
    {"$ext": [5, "aGk="]}                         extension type and data
    {"$timestamp": "2024-01-01T00:00:00.000000001Z"}    or [seconds, nanoseconds] outside the years 1 to 9999
    {"$float": "nan"}                             also "inf" and "-inf"
    {"$map": [[[1, 2], "x"]]}                     a map, as pairs of key and value

A map is a JSON object where that is clear. Keys that are numbers, booleans or nil are shown as their JSON
text, and so come back as strings; the `$map` form keeps them. A map is shown in that form only if it has
other keys, two keys with the same text, or would read as one of the objects above.

Of several pairs of a map with the same key only the last is shown. Keys are the same if their JSON text is.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from json.encoder import encode_basestring
from typing import Any, Final

import msgpack

from fastserver.framing.pairs import Pairs
from fastserver.log.escape import shown

EPOCH: Final = datetime(1970, 1, 1)  # UTC, like every time here
TAGS: Final = ("$bin", "$ext", "$timestamp", "$float", "$map")

_QUOTED_TAGS: Final = frozenset(f'"{tag}"' for tag in TAGS)


def decode(payload: bytes) -> Any:
    """The value of `payload`, exactly one MessagePack object, with every map as `Pairs`; bytes, `ExtType` and
    `Timestamp` stay as they are.

    Every well-formed payload decodes, in time linear in its bytes; text that is not UTF-8 has its bytes as surrogates.
    Raises ValueError for anything else.
    """
    return msgpack.unpackb(
        payload, strict_map_key=False, ext_hook=extension, object_pairs_hook=Pairs, unicode_errors="surrogateescape"
    )


def extension(code: int, data: bytes) -> msgpack.ExtType:
    """An extension of any type: ExtType refuses those below 0, which MessagePack reserves but which are well-formed."""
    return tuple.__new__(msgpack.ExtType, (code, data))


def to_json(value: Any, compact: bool = False) -> str:
    """`value`, anything MessagePack can hold, as one line of JSON that is safe to show on a terminal; `compact` has no
    spaces between its parts.

    Raises TypeError for what MessagePack cannot hold.
    """
    return JsonText(compact).of(value)


class JsonText:
    """Writes values as JSON text."""

    __slots__ = ("_colon", "_comma", "overwritten")

    def __init__(self, compact: bool) -> None:
        self._comma, self._colon = (",", ":") if compact else (", ", ": ")
        self.overwritten = 0
        """Bytes that compact text would have more if the pairs were in it that later ones with the same key replace."""

    def of(self, value: Any) -> str:
        """The text of `value`. Raises TypeError for what MessagePack cannot hold."""
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return int.__repr__(value)
        if isinstance(value, float):
            return float.__repr__(value) if math.isfinite(value) else self._tagged("$float", f'"{value}"')
        if isinstance(value, str):
            return _quoted(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._tagged("$bin", _base64(value))
        if isinstance(value, msgpack.ExtType):  # before tuple, which it is
            return self._tagged("$ext", f"[{value.code}{self._comma}{_base64(value.data)}]")
        if isinstance(value, msgpack.Timestamp):
            return self._tagged("$timestamp", self._time(value))
        if isinstance(value, (list, tuple)):
            return f"[{self._comma.join(map(self.of, value))}]"
        if isinstance(value, dict):
            return self._map(value.items())
        raise TypeError(f"MessagePack cannot hold {type(value).__name__}")

    def _tagged(self, tag: str, text: str) -> str:
        return f'{{"{tag}"{self._colon}{text}}}'

    def _map(self, pairs: Iterable[tuple[Any, Any]]) -> str:
        found: dict[str, tuple[str, str]] = {}  # by the key's text: its name, the text of the value
        clear = True
        for key, value in pairs:
            text = self.of(key)
            name = f'"{text}"' if _is_named(key) else text
            item = name, self.of(value)
            if text in found:
                self.overwritten += len(f"{name}:{found.pop(text)[1]},")
            found[text] = item
            # JSON text within JSON text doubles its escapes at every level, so containers have no name.
            clear = clear and name[0] == '"'
        names = {name for name, _ in found.values()}
        if clear and len(names) == len(found) and not (len(names) == 1 and names <= _QUOTED_TAGS):
            return f"{{{self._comma.join(f'{name}{self._colon}{value}' for name, value in found.values())}}}"
        parts = self._comma.join(f"[{text}{self._comma}{value}]" for text, (_, value) in found.items())
        return self._tagged("$map", f"[{parts}]")

    def _time(self, value: msgpack.Timestamp) -> str:
        try:
            moment = EPOCH + timedelta(seconds=value.seconds)
        except OverflowError:
            return f"[{value.seconds}{self._comma}{value.nanoseconds}]"
        fraction = f".{value.nanoseconds:09}" if value.nanoseconds else ""
        return f'"{moment.isoformat()}{fraction}Z"'


def _is_named(key: Any) -> bool:
    """True if the JSON text of `key` is its name."""
    return key is None or isinstance(key, (bool, int)) or (isinstance(key, float) and math.isfinite(key))


def _quoted(text: str) -> str:
    made = encode_basestring(text)
    if made.isprintable():
        return made
    return "".join(char if shown(char) else json.dumps(char)[1:-1] for char in made)


def _base64(data: bytes | bytearray | memoryview) -> str:
    return f'"{base64.b64encode(data).decode("ascii")}"'
