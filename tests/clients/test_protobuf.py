"""Python's protobuf, whose delimited streams have a varint before each message."""

from __future__ import annotations

import io
from typing import Any

import pytest
from conftest import Serve
from support.conversation import Conversation
from support.requirements import required_module


def messages(count: int) -> list[Any]:
    """Messages of many sizes, an empty one among them."""
    struct = required_module("google.protobuf.struct_pb2", "protobuf").Struct
    made = [struct()]
    for number in range(1, count):
        made.append(struct())
        made[-1].update({"number": number, "text": "grüße " * (number % 50), "list": [number / 4, None, True]})
    return made


def delimited(message: Any) -> bytes:
    """`message` as protobuf writes it to a stream."""
    stream = io.BytesIO()
    required_module("google.protobuf.proto", "protobuf").serialize_length_prefixed(message, stream)
    return stream.getvalue()


@pytest.mark.parametrize("piece", [1_000_000, 57])
def test_a_delimited_stream(serve: Serve, piece: int) -> None:
    """Messages arrive equal and in order, however the bytes are cut."""
    sent = messages(1000)
    proto = required_module("google.protobuf.proto", "protobuf")
    server = serve("--mode", "varint")
    reader, writer = server.connect(), server.connect()
    stream = b"".join(map(delimited, sent))
    for start in range(0, len(stream), piece):
        writer.send(stream[start : start + piece])
    with reader.socket.makefile("rb") as received:
        assert [proto.parse_length_prefixed(type(one), received) for one in sent] == sent


def test_a_message_over_the_limit(serve: Serve) -> None:
    """Its sender is closed, once its length has told; the others receive what came before it, and go on."""
    small, *_, large = messages(50)
    server = serve("--mode", "varint", "--max-message", "100")
    reader, writer, other = server.connect(), server.connect(), server.connect()
    writer.send(delimited(small) + delimited(large))
    assert writer.read_to_end() == b""
    server.errors.wait_for(r"peer 2 \S+ sent an invalid message: message of (at least )?\d+ bytes at offset 1 ")
    other.send(delimited(small))
    assert reader.read(2) == b"\0\0"


def test_other_framings(serve: Serve) -> None:
    """The bytes of a message are its payload in every framing."""
    sent = messages(100)
    conversation = Conversation(serve, "varint", "length?bytes=3")
    for message in sent:
        conversation.peers["varint"].send(delimited(message))
    for message in sent:
        payload = message.SerializeToString()
        reader = conversation.peers["length?bytes=3"]
        assert reader.read(3 + len(payload)) == len(payload).to_bytes(3, "big") + payload
