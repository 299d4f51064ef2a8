"""Python's msgpack on a plain socket."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
from conftest import Serve
from support.connection import Connection

OBJECTS: list[Any] = [
    {"number": number, "text": "grüße " * (number % 7), "values": [number / 3, None, b"\x00\xff"], -1: {}}
    for number in range(1000)
]


def unpacked(connection: Connection, count: int) -> list[Any]:
    """The next `count` objects, read as they arrive."""
    unpacker = msgpack.Unpacker(strict_map_key=False)
    objects: list[Any] = []
    while len(objects) < count:
        chunk = connection.socket.recv(4096)
        assert chunk, f"the stream ended after {len(objects)} of {count} objects"
        unpacker.feed(chunk)
        objects += unpacker
    return objects


def test_stream(serve: Serve) -> None:
    """Objects back to back arrive equal and in order."""
    server = serve("--mode", "msgpack-stream")
    reader, writer = server.connect(), server.connect()
    for one in OBJECTS:
        writer.send(msgpack.packb(one))
    assert unpacked(reader, len(OBJECTS)) == OBJECTS


def test_stream_cut_anywhere(serve: Serve) -> None:
    """However the bytes of two writers are cut, every object arrives whole, each writer's in order."""
    server = serve("--mode", "msgpack-stream")
    reader = server.connect()
    writers = [server.connect(), server.connect()]
    values = [[number, "x" * number] for number in range(300)]
    packed = [b"".join(msgpack.packb([name, *value]) for value in values) for name in "ab"]
    for start in range(0, max(map(len, packed)), 57):
        for writer, stream in zip(writers, packed, strict=True):
            writer.send(stream[start : start + 57])
    objects = unpacked(reader, 600)
    for name in "ab":
        assert [one[1:] for one in objects if one[0] == name] == values


def test_length_prefixed(serve: Serve) -> None:
    """Objects behind a length of four bytes arrive as they were sent."""
    server = serve("--mode", "msgpack")
    reader, writer = server.connect(), server.connect()
    for one in OBJECTS:
        packed = msgpack.packb(one)
        writer.send(struct.pack(">I", len(packed)) + packed)
    for one in OBJECTS:
        (length,) = struct.unpack(">I", reader.read(4))
        assert msgpack.unpackb(reader.read(length), strict_map_key=False) == one


def test_the_log_shows_values(serve: Serve) -> None:
    """The console shows a message as what it stands for, not as its bytes."""
    server = serve("--mode", "msgpack-stream")
    writer = server.connect()
    writer.send(msgpack.packb({"temperature": 21.5, "room": "küche"}))
    shown = r'\{"temperature": ?21\.5, ?"room": ?"küche"\}'
    server.errors.wait_for(rf"Received message from 1 127\.0\.0\.1:\d+: {shown}$")


def test_a_broken_frame_reaches_nobody(serve: Serve) -> None:
    """Bytes that are no msgpack end their sender's connection; the others get what came before and go on."""
    server = serve("--mode", "msgpack-stream")
    reader, broken, writer = server.connect(), server.connect(), server.connect()
    broken.send(msgpack.packb("good") + b"\xc1" + msgpack.packb("after"))
    assert broken.read_to_end() == b""
    assert unpacked(reader, 1) == ["good"]
    server.errors.wait_for(r"peer 2 \S+ sent an invalid message: .* at offset 5")
    writer.send(msgpack.packb("on we go"))
    assert unpacked(reader, 1) == ["on we go"]
