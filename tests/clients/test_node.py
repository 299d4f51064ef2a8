"""Node, with the npm package @msgpack/msgpack as it is, reading and writing a socket."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgpack
from conftest import Serve, StartProgram
from support.child_process import ChildProcess
from support.requirements import required_node_package, required_program
from support.server_process import ServerProcess

SCRIPT = Path(__file__).with_name("msgpack_stream.js")

OBJECTS: list[Any] = [
    {"number": number, "text": "grüße " * (number % 7), "values": [number + 0.5, None, True, [], {}, -number]}
    for number in range(1000)
]


def node(start_program: StartProgram, server: ServerProcess) -> ChildProcess:
    """A peer in Node, connected."""
    variables = {**os.environ, "NODE_PATH": required_node_package("@msgpack/msgpack")}
    before = server.log.count(" connected")
    peer = start_program(required_program("node", "nodejs"), SCRIPT, str(server.port), environment=variables)
    server.wait_for_peers(before + 1)
    return peer


def test_it_receives(start_program: StartProgram, serve: Serve) -> None:
    """Objects packed by Python arrive in Node's streaming decoder, equal and in order."""
    server = serve("--mode", "msgpack-stream")
    reader, writer = node(start_program, server), server.connect()
    writer.send(b"".join(map(msgpack.packb, OBJECTS)))
    reader.output.wait_for_count("\n", len(OBJECTS))
    assert [json.loads(line) for line in reader.output.data.splitlines()] == OBJECTS


def test_it_sends(start_program: StartProgram, serve: Serve) -> None:
    """Objects packed by Node arrive in Python, and a half-closed Node goes on receiving."""
    server = serve("--mode", "msgpack-stream")
    reader, writer = server.connect(), node(start_program, server)
    for one in OBJECTS:
        writer.type(json.dumps(one).encode() + b"\n")
    writer.end_input()
    unpacker = msgpack.Unpacker()
    received: list[Any] = []
    while len(received) < len(OBJECTS):
        unpacker.feed(reader.socket.recv(65536))
        received += unpacker
    assert received == OBJECTS
    reader.send(msgpack.packb("got it"))
    writer.output.wait_for('^"got it"$')


def test_two_of_them(start_program: StartProgram, serve: Serve) -> None:
    """Two Nodes hear each other."""
    server = serve("--mode", "msgpack-stream")
    one, other = node(start_program, server), node(start_program, server)
    one.type(b'{"from": "one"}\n')
    other.output.wait_for('"from":"one"')
    other.type(b'["from", "other"]\n')
    one.output.wait_for_bytes(b'["from","other"]\n')
