"""Messages in wire form, made and taken apart without the server's own code."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Protocol

import msgpack


class Stream(Protocol):
    """The bytes that one peer receives."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads of the messages that `data` completes."""


class Lines:
    """Lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return iter(lines)


class Prefixed:
    """msgpack objects, each behind its length."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        data = self._rest + data
        at = 0
        while len(data) - at >= 4 and len(data) - at - 4 >= (length := struct.unpack_from(">I", data, at)[0]):
            yield from Objects().feed(data[at + 4 : at + 4 + length])
            at += 4 + length
        self._rest = data[at:]


class Objects:
    """msgpack objects back to back. The payload of one that is not binary is its text in Python."""

    def __init__(self) -> None:
        self._unpacker: Any = msgpack.Unpacker(
            raw=True,  # takes whatever msgpack allows: any key, any extension
            strict_map_key=False,
            object_pairs_hook=list,
            ext_hook=lambda code, data: (code, data),
        )

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._unpacker.feed(data)
        for value in self._unpacker:
            yield value if isinstance(value, bytes) else repr(value).encode()


STREAMS: dict[str, type[Stream]] = {"lines": Lines, "msgpack": Prefixed, "msgpack-stream": Objects}


def frame(mode: str, payload: bytes) -> bytes:
    """A message of that mode: `payload` as a line, or as a binary object."""
    if mode == "lines":
        return payload + b"\n"
    packed = bytes(msgpack.packb(payload))
    return packed if mode == "msgpack-stream" else struct.pack(">I", len(packed)) + packed
