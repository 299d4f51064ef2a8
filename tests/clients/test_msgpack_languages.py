"""MessagePack libraries of other languages as they are, reading and writing a socket: @msgpack/msgpack in Node,
msgpack in Ruby, Data::MessagePack in Perl.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
from conftest import Serve, StartProgram
from support.child_process import ChildProcess
from support.requirements import required_command, required_node_package, required_program
from support.server_process import ServerProcess

OBJECTS: list[Any] = [
    {"number": number, "text": "grüße " * (number % 7), "values": [number + 0.5, None, [], {}, -number]}
    for number in range(1000)
]


def node() -> tuple[list[str], dict[str, str]]:
    """How Node is started with its library, and in which environment."""
    return [required_program("node", "nodejs")], {"NODE_PATH": required_node_package("@msgpack/msgpack")}


def ruby() -> tuple[list[str], dict[str, str]]:
    """How Ruby is started with its library."""
    program = required_program("ruby", "ruby")
    required_command([program, "-rmsgpack", "-e", ""], "ruby-msgpack")
    return [program], {"LANG": "C.UTF-8"}


def perl() -> tuple[list[str], dict[str, str]]:
    """How Perl is started with its library."""
    program = required_program("perl", "perl")
    required_command([program, "-MData::MessagePack", "-e", ""], "libdata-messagepack-perl")
    return [program], {}


StartPeer = Callable[[], ChildProcess]
LANGUAGES = {"js": node, "rb": ruby, "pl": perl}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    """A language, by how the names of its files end."""
    return str(request.param)


@pytest.fixture
def server(serve: Serve) -> ServerProcess:
    """A server of a msgpack-stream."""
    return serve("--mode", "msgpack-stream")


@pytest.fixture
def start_peer(language: str, start_program: StartProgram, server: ServerProcess) -> StartPeer:
    """Starts peers in that language, and waits until they are connected."""
    program, variables = LANGUAGES[language]()
    script = Path(__file__).with_name(f"msgpack_stream.{language}")

    def start() -> ChildProcess:
        before = server.log.count(" connected")
        peer = start_program(*program, script, str(server.port), environment={**os.environ, **variables})
        server.wait_for_peers(before + 1)
        return peer

    return start


def test_it_receives(server: ServerProcess, start_peer: StartPeer) -> None:
    """Objects packed by Python arrive in its streaming decoder, equal and in order."""
    reader, writer = start_peer(), server.connect()
    writer.send(b"".join(map(msgpack.packb, OBJECTS)))
    reader.output.wait_for_count("\n", len(OBJECTS))
    assert [json.loads(line) for line in reader.output.data.splitlines()] == OBJECTS


def test_it_sends(server: ServerProcess, start_peer: StartPeer) -> None:
    """Objects that it packs arrive in Python, and once it is half-closed it goes on receiving."""
    reader, writer = server.connect(), start_peer()
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


def test_two_of_them(server: ServerProcess, start_peer: StartPeer) -> None:
    """Two of them receive what the other sends."""
    one, other = start_peer(), start_peer()
    one.type(b'{"from":"one"}\n')
    other.output.wait_for('"from": ?"one"')
    other.type(b'["from","other"]\n')
    one.output.wait_for_bytes(b'["from","other"]\n')
