"""The table of translation, done without a splitter, a codec or a transcoder."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn

import msgpack
from hypothesis import strategies as st
from support.strategies import OBJECTS, prefixed

from fastserver.framing.registry import framing
from fastserver.log.escape import shown

Frame = Callable[[bytes], "bytes | None"]

BODIES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([b"", b"\n", b"\r\n", b"a\rb", b"\xff\xff", b"\0", b"7", b' {"a": [1.5, "\\n"]} ', b"[1e400]"]),
    st.just(b"x" * 300),
)
RAW_TEXT = st.binary(max_size=40).map(lambda data: bytes([0xD9, len(data)]) + data)  # not always UTF-8


class WireForm(NamedTuple):
    """A framing: what it makes of a payload from another, and what messages of its own look like."""

    frame: Frame
    """The frame of a payload that it can hold; None if there is none."""
    escape: Callable[[bytes], bytes] = bytes
    """A payload from another framing as one that it can hold."""
    ends: tuple[bytes, ...] = ()
    """The ends that messages of its own may have, where not all end alike."""

    def own(self, payload: bytes) -> list[bytes]:
        """The frames that a sender of this framing may send with that payload."""
        if self.escape(payload).count(b"\\") != payload.count(b"\\") and (b"\n" in payload or payload[-1:] == b"\r"):
            return []
        if self.ends:
            return [payload + end for end in self.ends]
        frame = self.frame(payload)
        return [] if frame is None else [frame]


def _line(payload: bytes) -> bytes:
    return payload.replace(b"\n", b"\\n").replace(b"\r", b"\\r")


def _telnet(payload: bytes) -> bytes:
    return payload.replace(b"\xff", b"\xff\xff").replace(b"\r", b"\r\0") + b"\r\n"


def _counted(payload: bytes) -> bytes | None:
    return b"%d %b" % (len(payload), payload) if payload else None


def _behind(width: int, order: Any = "big", own: int = 0) -> Frame:
    """Puts payloads behind a length of so many bytes, which counts `own` bytes, too."""

    def frame(payload: bytes) -> bytes | None:
        length = len(payload) + own
        return length.to_bytes(width, order) + payload if length < 256**width else None

    return frame


def _delimited(delimiter: bytes, start: bytes = b"") -> Frame:
    """Puts a delimiter behind payloads in which it does not begin, and `start` before them."""

    def frame(payload: bytes) -> bytes | None:
        whole = payload + delimiter
        return start + whole if whole.find(delimiter) == len(payload) else None

    return frame


def _varint(payload: bytes) -> bytes:
    low, high = len(payload) % 128, len(payload) // 128
    return (bytes([low | 128, high]) if high else bytes([low])) + payload


WIRE_FORMS: dict[str, WireForm] = {
    "lines": WireForm(lambda payload: payload + b"\n", _line, (b"\n", b"\r\n")),
    "lines?eol=crlf": WireForm(lambda payload: payload + b"\r\n", _line),
    "delimited": WireForm(_delimited(b"\0")),
    "delimited?delimiter=%0D%0A": WireForm(_delimited(b"\r\n")),
    "delimited?delimiter=%03&start=%02": WireForm(_delimited(b"\x03", b"\x02")),
    "msgpack": WireForm(prefixed),
    "msgpack?json=parse": WireForm(prefixed),
    "msgpack-stream": WireForm(bytes),
    "octet": WireForm(_counted),
    "syslog": WireForm(_counted),
    "length": WireForm(_behind(4)),
    "length?bytes=1": WireForm(_behind(1)),
    "length?bytes=2&order=little&includes=yes": WireForm(_behind(2, "little", 2)),
    "varint": WireForm(_varint),
    "telnet": WireForm(_telnet, _line),
    "netstring": WireForm(lambda payload: b"%d:%b," % (len(payload), payload)),
}
"""Every framing of the registry, and some with parameters, by their words."""


def messages_of(word: str) -> st.SearchStrategy[tuple[bytes, bytes]]:
    """Payloads of a framing, and the frames that they came in."""
    form = WIRE_FORMS[word]
    payloads = st.one_of(OBJECTS, RAW_TEXT) if framing(word).typed else BODIES
    return payloads.filter(form.own).flatmap(
        lambda payload: st.sampled_from(form.own(payload)).map(lambda frame: (payload, frame))
    )


def becomes(source: str, target: str, payload: bytes, frame: bytes, limit: int) -> bytes | None:
    """The frame that a message of `source` becomes in `target`; None if there is none."""
    if source == target:
        return frame
    typed = framing(target).typed
    if framing(source).typed and not typed:
        payload = bytes_of(payload)
    elif typed and not framing(source).typed:
        payload = object_of(payload, "json=parse" in target)
    payload = WIRE_FORMS[target].escape(payload)
    return None if len(payload) > limit else WIRE_FORMS[target].frame(payload)


def object_of(data: bytes, parses: bool) -> bytes:
    """The MessagePack object that stands for bytes."""
    packed: bytes
    try:
        text = data.decode()
    except UnicodeDecodeError:
        packed = msgpack.packb(data)
        return packed
    if parses:
        try:
            packed = msgpack.packb(json.loads(text, parse_constant=_refuse, parse_float=_finite))
            return packed
        except (ValueError, OverflowError):
            pass
    packed = msgpack.packb(text)
    return packed


def _refuse(text: str) -> NoReturn:
    raise ValueError


def _finite(text: str) -> float:
    if math.isinf(float(text)):
        raise ValueError
    return float(text)


def bytes_of(payload: bytes) -> bytes:
    """The bytes that stand for a MessagePack object."""
    value = msgpack.unpackb(payload, strict_map_key=False, unicode_errors="surrogateescape")
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    text = json.dumps(_node(value), ensure_ascii=False, separators=(",", ":"))
    return "".join(char if shown(char) else json.dumps(char)[1:-1] for char in text).encode()


def _node(value: Any) -> Any:
    """The text that `json.dumps` writes for `value`, whose keys are text or integers, all different."""
    if isinstance(value, bytes):
        return {"$bin": b64encode(value).decode()}
    if isinstance(value, msgpack.ExtType):
        return {"$ext": [value.code, b64encode(value.data).decode()]}
    if isinstance(value, msgpack.Timestamp):
        return {"$timestamp": _time(value.seconds, value.nanoseconds)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, list):
        return [_node(item) for item in value]
    if isinstance(value, dict):
        pairs = [[key, _node(item)] for key, item in value.items()]
        names = {str(key) for key in value}
        return dict(pairs) if len(names) == len(pairs) and not names & {"$map"} else {"$map": pairs}
    return value


def _time(seconds: int, nanoseconds: int) -> str | list[int]:
    try:
        moment = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    except OverflowError:
        return [seconds, nanoseconds]
    return f"{moment.isoformat()}{f'.{nanoseconds:09}' if nanoseconds else ''}Z"
