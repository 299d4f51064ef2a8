"""protobufjs in Node, whose delimited streams have a varint before each message."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import Serve, StartProgram
from support.child_process import ChildProcess
from support.conversation import Conversation
from support.requirements import required_node_package, required_program

SCRIPT = Path(__file__).with_name("protobuf_stream.js")


def test_two_of_them(serve: Serve, start_program: StartProgram) -> None:
    """Two of them receive each other's messages; others receive the same bytes with a head of theirs."""
    conversation = Conversation(serve, "varint", "length?bytes=2")
    variables = {**os.environ, "NODE_PATH": required_node_package("protobufjs")}

    def start() -> ChildProcess:
        before = conversation.server.log.count(" connected")
        port = str(conversation.ports["varint"])
        peer = start_program(required_program("node", "nodejs"), SCRIPT, port, environment=variables)
        conversation.server.wait_for_peers(before + 1)
        return peer

    one, other = start(), start()
    texts = [f"{number} " + "grüße " * number for number in range(200)]
    one.type("".join(f"{text}\n" for text in texts).encode())
    other.output.wait_for_bytes("".join(f"{text}\n" for text in texts).encode())
    other.type(b"got them\n")
    one.output.wait_for_bytes(b"got them\n")
    first = texts[0].encode()
    note = b"\x0a" + bytes([len(first)]) + first + b"\x10" + bytes([len(texts[0])])
    assert conversation.peers["length?bytes=2"].read(2 + len(note)) == len(note).to_bytes(2, "big") + note
