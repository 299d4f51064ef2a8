"""The rows of the table of translation, each by its name."""

from __future__ import annotations

import msgpack
import pytest

from fastserver.compiled import COMPILED
from fastserver.framing import translation
from fastserver.framing.registry import framing, translate

BOTH = pytest.mark.parametrize("translate", [translate, translation.translate][: 2 if COMPILED else 1])
LIMIT = 1 << 20


def packed(value: object) -> bytes:
    payload: bytes = msgpack.packb(value)
    return payload


OBJECTS_AS_LINES: dict[str, tuple[bytes, bytes]] = {
    "LF and CR as two characters each": (packed("a\nb\r"), b"a\\nb\\r\n"),
    "a backslash stays one": (packed("a\\nb"), b"a\\nb\n"),
    "an empty str": (b"\xa0", b"\n"),
    "an empty bin": (b"\xc4\0", b"\n"),
    "duplicate keys in a map: the last": (b"\x82\xa1a\x01\xa1a\x02", b'{"a":2}\n'),
    "a str: its bytes": (packed("hi ☃"), "hi ☃\n".encode()),
    "a str that is not UTF-8: its bytes": (b"\xa2h\xff", b"h\xff\n"),
    "a bin: its bytes": (packed(b"\xff\0"), b"\xff\0\n"),
    "nil": (b"\xc0", b"null\n"),
    "a map: compact JSON": (
        packed({"a": [1, 2.5, True], "b": {"c": "x\ny"}}),
        b'{"a":[1,2.5,true],"b":{"c":"x\\ny"}}\n',
    ),
    "a bin within": (packed([b"hi"]), b'[{"$bin":"aGk="}]\n'),
    "an extension": (packed(msgpack.ExtType(5, b"hi")), b'{"$ext":[5,"aGk="]}\n'),
    "a timestamp": (packed(msgpack.Timestamp(1704067200, 1)), b'{"$timestamp":"2024-01-01T00:00:00.000000001Z"}\n'),
    "a float that JSON has not": (packed(float("nan")), b'{"$float":"nan"}\n'),
    "a key that is a number": (packed({1: "x"}), b'{"1":"x"}\n'),
    "a key that is an array": (b"\x81\x91\x01\x02", b'{"$map":[[[1],2]]}\n'),
    "keys with the same text": (packed({1: "x", "1": "y"}), b'{"$map":[[1,"x"],["1","y"]]}\n'),
    "an integer beyond 2^53: exact": (packed(2**64 - 1), b"18446744073709551615\n"),
    "characters that act on a terminal": (packed(["☃\u2028\x1b"]), '["☃\\u2028\\u001b"]\n'.encode()),
    "text within that is not UTF-8": (b"\x91\xa2h\xff", b'["h\\udcff"]\n'),
    "nested as deep as can be": (b"\x91" * 128 + b"\xc0", b"[" * 128 + b"null" + b"]" * 128 + b"\n"),
}
JSON_AS_OBJECTS: dict[str, tuple[bytes, bytes]] = {
    "JSON is its value with json=parse": (b'{"a":[1]}\n', packed({"a": [1]})),
    "what is no JSON is a str with json=parse": (b"[1\n", packed("[1")),
    "two JSON values are a str": (b"1 2\n", packed("1 2")),
    "an empty line is a str with json=parse": (b"\n", b"\xa0"),
    "an integer of more than 64 bits": (b"18446744073709551616\n", packed("18446744073709551616")),
    "NaN": (b"NaN\n", packed("NaN")),
    "a float beyond all": (b"1e400\n", packed("1e400")),
    "half of a surrogate pair": (b'"\\ud800"\n', packed('"\\ud800"')),
    "too many containers": (b"[" * 129 + b"]" * 129 + b"\n", packed("[" * 129 + "]" * 129)),
    "as many containers as can be": (b"[" * 128 + b"]" * 128 + b"\n", b"\x91" * 127 + b"\x90"),
    "a byte order mark": (b"\xef\xbb\xbf1\n", packed("\ufeff1")),
    "duplicate keys in JSON: the last": (b'{"a":1,"a":2}\n', packed({"a": 2})),
    "a tagged bin": (b'{"$bin":"aGk="}\n', packed(b"hi")),
}
OTHERS: dict[str, tuple[str, bytes, str, bytes | None]] = {
    "the same framing: verbatim": ("lines", b"a\r\n", "lines", b"a\r\n"),
    "LF and CR, for lines with CR LF": ("msgpack-stream", packed("a\nb\r"), "lines?eol=crlf", b"a\\nb\\r\r\n"),
    "a CR within a line": ("lines", b"a\rb\r\n", "lines?eol=crlf", b"a\\rb\r\n"),
    "an empty message": ("lines", b"\n", "msgpack-stream", b"\xa0"),
    "UTF-8 is a str": ("lines", "é\n".encode(), "msgpack-stream", packed("é")),
    "other bytes are a bin": ("lines", b"h\xff\n", "msgpack-stream", packed(b"h\xff")),
    "JSON is a str": ("lines", b"[1]\n", "msgpack-stream", packed("[1]")),
    "LF stays where it may": ("msgpack-stream", packed("a\nb"), "octet", b"3 a\nb"),
    "JSON as bytes": ("msgpack-stream", packed([1]), "netstring", b"3:[1],"),
    "bytes without the delimiter": ("lines", b"a\n", "delimited", b"a\0"),
    "bytes with the delimiter in them: none": ("lines", b"a\0b\n", "delimited", None),
    "bytes in which the delimiter begins: none": ("lines", b"az\n", "delimited?delimiter=zz", None),
    "a start byte, and one in the payload": ("lines", b"\x02\n", "delimited?delimiter=%03&start=%02", b"\2\2\3"),
    "LF where it does not delimit": ("msgpack-stream", packed("a\nb"), "delimited", b"a\nb\0"),
    "bytes of a delimited message, as a line": ("delimited", b"a\nb\0", "lines", b"a\\nb\n"),
    "an octet count of 0: none": ("lines", b"\n", "octet", None),
    "a netstring of 0 bytes": ("lines", b"\n", "netstring", b"0:,"),
    "as many bytes as a length can say": ("lines", b"x" * 255 + b"\n", "length?bytes=1", b"\xff" + b"x" * 255),
    "more than a length can say: none": ("lines", b"x" * 256 + b"\n", "length?bytes=1", None),
    "a length that counts itself": ("lines", b"x" * 254 + b"\n", "length?bytes=1&includes=yes", b"\xff" + b"x" * 254),
    "more than a length with itself: none": ("lines", b"x" * 255 + b"\n", "length?bytes=1&includes=yes", None),
    "a varint of two bytes": ("lines", b"x" * 128 + b"\n", "varint", b"\x80\x01" + b"x" * 128),
    "lengths of other kinds": ("octet", b"2 hi", "length?bytes=2&order=little", b"\x02\0hi"),
    "syslog, which is written with counts": ("lines", b"<6>hi\n", "syslog", b"5 <6>hi"),
    "bytes of octet counts, as a line": ("octet", b"3 a\nb", "lines", b"a\\nb\n"),
    "bytes of a length, to MessagePack": ("length?bytes=1", b"\x02h\xff", "msgpack-stream", packed(b"h\xff")),
    "MessagePack, a length added": ("msgpack-stream", b"\x93\x01\x02\x03", "msgpack", b"\0\0\0\4\x93\x01\x02\x03"),
    "MessagePack, the length removed": ("msgpack", b"\0\0\0\1\x07", "msgpack-stream", b"\x07"),
    "MessagePack for one that parses JSON": (
        "msgpack-stream",
        packed("[1]"),
        "msgpack-stream?json=parse",
        packed("[1]"),
    ),
}
ROWS = {
    **{name: ("msgpack-stream", made, "lines", line) for name, (made, line) in OBJECTS_AS_LINES.items()},
    **{name: ("lines", line, "msgpack-stream?json=parse", made) for name, (line, made) in JSON_AS_OBJECTS.items()},
    **OTHERS,
}


@BOTH
@pytest.mark.parametrize("row", ROWS)
def test_row(translate, row: str) -> None:
    source, frame, target, wanted = ROWS[row]
    found = translate(framing(source), framing(target), frame, 1, LIMIT)
    assert found == ((b"", 0, 1) if wanted is None else (wanted, 1, 0))
    # Between others that can be translated nothing else changes.
    if source != target:
        beside = translate(framing(source), framing(target), frame * 3, 3, LIMIT)
        assert beside == (found.frames * 3, found.messages * 3, found.untranslatable * 3)
