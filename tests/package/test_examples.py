"""The examples as a user runs them, each a process of its own, spoken to over sockets, by friends and by strangers."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pytest
from conftest import StartProgram
from support.child_process import ChildProcess
from support.command import environment
from support.connection import Connection
from support.requirements import required_program, skip_or_fail

import fastserver.examples
from fastserver import BlockingClient

Start = Callable[[str], int]
"""Starts the example of that name, gives its port."""

Connect = Callable[[int], Connection]
"""Connects to that port."""

FOLDER = Path(fastserver.examples.__file__).parent

HOSTILE = [
    b"",
    b" ",
    b"\r",
    b"/",
    b"=",
    b"\0",
    b"\x1b]0;title\x07",
    b"\xff\xfe",
    "\u202e".encode(),
    b"x" * 250,
    b"a=\x1b[2J",
    b"a=1\r\r",
    b"SET a \x1b[2J",
    b"SET a 1\r\r",
    b"/name \x1b[2J",
    b"/name " + b"x" * 200,
    b"/join \x9b",
    b"/name",
    b"/join",
    b"/who me",
    b"SET",
    b"WAIT",
]
"""Lines that no example takes for more than text, short enough for all of them."""


@pytest.fixture
def example(start_program: StartProgram) -> Iterator[Start]:
    """Starts examples. In the end Ctrl-C must stop each, and no handler may have failed."""
    started: list[ChildProcess] = []

    def start(name: str) -> int:
        python = start_program(
            sys.executable, "-m", f"fastserver.examples.{name}", "--port", "0", environment=environment()
        )
        started.append(python)
        where = python.output if name == "embed" else python.errors
        return int(where.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1])

    yield start
    for one in started:
        one.signal(signal.SIGINT)
        code = one.wait()
        errors = one.errors.wait_for_end().decode()
        assert code == 0, errors
        assert "failed" not in errors
        assert "Traceback" not in errors


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connects to a port. The connections are closed after the test."""
    connections: list[Connection] = []

    def to(port: int) -> Connection:
        connections.append(Connection(("127.0.0.1", port)))
        return connections[-1]

    yield to
    for one in connections:
        one.close()


def says(connection: Connection, *lines: str) -> None:
    connection.send("".join(f"{line}\n" for line in lines).encode())


def hears(connection: Connection, *lines: str) -> None:
    """Exactly these come next."""
    assert [connection.read_line().decode() for _ in lines] == [f"{line}\n" for line in lines]


def test_all_of_them_are_tested() -> None:
    names = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert names == {"bus", "chat", "commands", "embed", "telemetry"}


# Chat.


def enter(port: int, connect: Connect, name: str) -> Connection:
    """Somebody of that name, in the lobby."""
    person = connect(port)
    assert person.read_line().startswith(b"* /name")
    assert person.read_line().endswith(b" came to lobby\n")
    says(person, f"/name {name}")
    assert person.read_line().endswith(f" is now {name}\n".encode())
    return person


def test_chat(example: Start, connect: Connect) -> None:
    port = example("chat")
    ann = enter(port, connect, "ann")
    bob = enter(port, connect, "bob")
    hears(ann, "* guest-2 came to lobby", "* guest-2 is now bob")
    says(bob, "hello")
    hears(ann, "bob: hello")
    says(ann, "/who")
    hears(ann, "* 2 here: ann, bob")
    says(bob, "/join den", "nobody hears this", "/who")
    hears(bob, "* bob came to den", "* 1 here: bob")
    hears(ann, "* bob left")
    says(ann, "/join den")
    hears(ann, "* ann came to den")
    hears(bob, "* ann came to den")
    says(ann, "last words", "/quit")
    assert ann.read_to_end() == b""
    hears(bob, "ann: last words")
    ann.close()
    hears(bob, "* ann left")


def test_names_in_chat(example: Start, connect: Connect) -> None:
    """A name is one's own until it is given up, by another name or by leaving; a change of room keeps it."""
    port = example("chat")
    ann, bob = enter(port, connect, "ann"), connect(port)
    hears(ann, "* guest-2 came to lobby")
    assert bob.read_line().startswith(b"* /name")
    hears(bob, "* guest-2 came to lobby")
    says(ann, "/join den")
    hears(ann, "* ann came to den")
    hears(bob, "* ann left")
    for taken in ("ann", "guest-9", "x" * 21, "<b>", "a b"):
        says(bob, f"/name {taken}")
        assert bob.read_line().startswith(b"* /name")
    says(ann, "/name eve")
    hears(ann, "* ann is now eve")
    says(bob, "/name ann")
    hears(bob, "* guest-2 is now ann")
    carl = enter(port, connect, "carl")
    bob.close()
    hears(carl, "* ann left")
    says(carl, "/name ann")
    hears(carl, "* carl is now ann")


def test_what_is_said_in_chat_cannot_act_on_a_terminal(example: Start, connect: Connect) -> None:
    port = example("chat")
    ann, bob = enter(port, connect, "ann"), enter(port, connect, "bob")
    hears(ann, "* guest-2 came to lobby", "* guest-2 is now bob")
    bob.send(b"\x1b[2J \xff \xe2\x80\xae \x07 \xc2\x9b gr\xc3\xbc\xc3\x9fe\r\n" + b"\xff" * 4096 + b"\n")
    hears(ann, "bob: ?[2J \N{REPLACEMENT CHARACTER} ? ? ? grüße", "bob: " + "\N{REPLACEMENT CHARACTER}" * 500)


# Telemetry.


def test_telemetry(example: Start, connect: Connect) -> None:
    port = example("telemetry")
    early, sensor = connect(port), connect(port)
    says(sensor, "kitchen/temperature=20", "door=open\r", "kitchen/temperature=21.5", "nonsense")
    assert sensor.read_line().startswith(b"! ")
    hears(early, "kitchen/temperature=20", "door=open\r", "kitchen/temperature=21.5")
    late = connect(port)
    hears(late, "kitchen/temperature=21.5", "door=open")
    says(late, "door=")
    hears(early, "door=")
    hears(sensor, "door=")


def test_telemetry_forgets_no_key_and_takes_no_more_than_its_limit(example: Start, connect: Connect) -> None:
    port = example("telemetry")
    sensor = connect(port)
    says(sensor, *[f"{number}=x" for number in range(1001)])
    assert sensor.read_line() == b"! no room for another key\n"
    says(sensor, "999=y", "1000=y")
    assert sensor.read_line() == b"! no room for another key\n"
    late = connect(port)
    hears(late, *[f"{number}=x" for number in range(999)], "999=y")


# Commands.


def test_commands(example: Start, connect: Connect) -> None:
    client = connect(example("commands"))
    says(client, "PING", "SET a 1", "SET b two words", "GET b", "KEYS", "DEL a", "DEL a", "GET a", "KEYS", "WAIT b")
    hears(client, "OK", "OK", "OK", "OK two words", "KEY a", "KEY b", "OK 2", "OK")
    hears(client, "ERR no such key", "ERR no such key", "KEY b", "OK 1", "OK two words")
    says(client, f"SET {'k' * 65} v", "ping", "GET a b c")
    assert [client.read_line()[:4] for _ in range(3)] == [b"ERR "] * 3


def test_waiting_holds_up_nobody_else(example: Start, connect: Connect) -> None:
    """Who waits has its replies in the order of its requests; others are answered meanwhile."""
    port = example("commands")
    waiting, also_waiting, other = connect(port), connect(port), connect(port)
    says(waiting, "PING", "WAIT dinner", "PING")
    says(also_waiting, "PING", "WAIT dinner")
    hears(waiting, "OK")
    hears(also_waiting, "OK")
    says(other, "SET lunch gone", "SET dinner ready")
    hears(other, "OK", "OK")
    hears(waiting, "OK ready", "OK")
    hears(also_waiting, "OK ready")


def test_commands_takes_no_more_keys_than_its_limit(example: Start, connect: Connect) -> None:
    client = connect(example("commands"))
    says(client, *[f"SET {number} x" for number in range(1000)], "SET more x", "SET 7 y", "GET 7")
    hears(client, *["OK"] * 1000)
    assert client.read_line().startswith(b"ERR ")
    hears(client, "OK", "OK y")


# Hostile lines.


@pytest.mark.parametrize("name", ["chat", "commands", "telemetry"])
def test_hostile_lines(name: str, example: Start, connect: Connect) -> None:
    """They harm nobody: not their sender's connection, not those who hear of them, now or later."""
    port = example(name)
    witness, stranger = connect(port), connect(port)
    stranger.send(b"".join(line + b"\n" for line in HOSTILE))
    if name == "chat":
        says(stranger, "done")
        end = "guest-2: done"
    elif name == "commands":
        says(stranger, "SET done yes", "GET a", "KEYS")
        says(witness, "WAIT done")
        end = "OK yes"
    else:
        says(stranger, "done=yes")
        end = "done=yes"
    heard = [witness.read_line().decode()]
    while heard[-1] != f"{end}\n":
        heard.append(witness.read_line().decode())
    assert all(line[:-1].isprintable() for line in heard)
    stranger.end()
    later = connect(port)
    says(later, "/who" if name == "chat" else "PING")
    assert later.read_line()[:-1].decode().isprintable()


# Bus.


def test_bus(example: Start) -> None:
    port = example("bus")
    with (
        BlockingClient(f"127.0.0.1:{port}", mode="msgpack-stream") as one,
        BlockingClient(f"127.0.0.1:{port}", mode="msgpack-stream") as other,
    ):
        for client, topic in ((one, "orders"), (other, "orders"), (other, "news")):
            client.send(["subscribe", topic])
            assert client.receive(60).value == ["subscribed", topic]
        one.send(["publish", "news", {"text": "grüße"}])
        one.send(["publish", "orders", [1, None, 2.5]])  # not to itself
        assert other.receive(60).value == ["publish", "news", {"text": "grüße"}]
        assert other.receive(60).value == ["publish", "orders", [1, None, 2.5]]
        other.send(["unsubscribe", "orders"])
        assert other.receive(60).value == ["unsubscribed", "orders"]
        one.send(["publish", "orders", "unheard"])
        one.send(["publish", "news", "heard"])
        assert other.receive(60).value == ["publish", "news", "heard"]


def test_the_bus_passes_events_on_as_they_came(example: Start, connect: Connect) -> None:
    """Byte for byte, though there are shorter ways to say the same."""
    port = example("bus")
    reader, writer = connect(port), connect(port)
    reader.send(msgpack.packb(["subscribe", "t"]))
    subscribed = msgpack.packb(["subscribed", "t"])
    assert reader.read(len(subscribed)) == subscribed
    event = b"\xdc\x00\x03\xd9\x07publish\xd9\x01t\xcf\0\0\0\0\0\0\0\x01"
    writer.send(event)
    assert reader.read(len(event)) == event


def test_what_the_bus_does_not_understand(example: Start) -> None:
    """It says so, and goes on listening."""
    hostile = [
        b"\xc0",
        b"\x90",
        b"\x81\x90\x01",  # a map whose key is an array
        b"\x81\x80\x01",  # a map whose key is a map
        b"\x91" * 100 + b"\x01",  # nested
        *map(msgpack.packb, [{"publish": 1}, ["publish", 1, 2], ["subscribe", "t" * 101], ["subscribe"], "publish"]),
        *map(msgpack.packb, [msgpack.Timestamp(2**62, 1), msgpack.ExtType(5, b"x")]),
    ]
    with BlockingClient(f"127.0.0.1:{example('bus')}", mode="msgpack-stream") as client:
        for one in hostile:
            client.send_packed(one)
            assert client.receive(60).value[0] == "error"
        client.send(["subscribe", "still here"])
        assert client.receive(60).value == ["subscribed", "still here"]


def test_the_bus_limits_the_topics_of_a_peer(example: Start) -> None:
    with BlockingClient(f"127.0.0.1:{example('bus')}", mode="msgpack-stream") as client:
        for number in range(101):
            client.send(["subscribe", str(number)])
        answers = [client.receive(60).value[0] for _ in range(101)]
        assert answers == ["subscribed"] * 100 + ["error"]
        client.send(["subscribe", "7"])  # has it already
        assert client.receive(60).value == ["subscribed", "7"]


def node_modules() -> str:
    """Where npm put the package: FASTSERVER_NODE_MODULES is what was given to `npm install --prefix`."""
    folder = Path(os.environ.get("FASTSERVER_NODE_MODULES", ""), "node_modules")
    if not folder.is_absolute() or not (folder / "@msgpack" / "msgpack").is_dir():
        skip_or_fail(
            "the npm package @msgpack/msgpack is not there: "
            'npm install --prefix "$FASTSERVER_NODE_MODULES" @msgpack/msgpack'
        )
    return str(folder)


def test_the_bus_from_node(example: Start, start_program: StartProgram) -> None:
    """The client in Node, twice: one publishes to the other, and to Python."""
    variables = {**os.environ, "NODE_PATH": node_modules()}
    node, script = required_program("node", "nodejs"), str(FOLDER / "bus_client.js")
    port = str(example("bus"))
    reader = start_program(node, script, port, "subscribe", "orders", "news", environment=variables)
    reader.output.wait_for(r'^\["subscribed","news"\]$')
    with BlockingClient(f"127.0.0.1:{port}", mode="msgpack-stream") as python:
        python.send(["subscribe", "orders"])
        assert python.receive(60).value == ["subscribed", "orders"]
        events = ["null", '{"text":"grüße","nested":[1,2.5,true]}', r'"\u001b[2J"']
        writer = start_program(node, script, port, "publish", "orders", *events, environment=variables)
        assert writer.wait() == 0
        for event in events:
            assert python.receive(60).value == ["publish", "orders", json.loads(event)]
        reader.output.wait_for_count(r'^\["publish","orders"', len(events))
    got = [json.loads(line) for line in reader.output.data.splitlines()]
    assert got[2:] == [["publish", "orders", json.loads(event)] for event in events]
    assert b"\x1b" not in reader.output.data


def test_node_says_what_is_wrong(start_program: StartProgram) -> None:
    """One line, not a trace, where nobody listens."""
    variables = {**os.environ, "NODE_PATH": node_modules()}
    with socket.socket() as bound:  # bound, but it does not listen
        bound.bind(("127.0.0.1", 0))
        port = str(bound.getsockname()[1])
        client = start_program(
            required_program("node", "nodejs"),
            str(FOLDER / "bus_client.js"),
            port,
            "subscribe",
            "t",
            environment=variables,
        )
        assert client.wait() == 1
    assert client.errors.wait_for_end().startswith(b"bus_client: ")


# Embedded.


def test_embed(example: Start, connect: Connect) -> None:
    """Ticks of the program and of its thread arrive, beside what peers say."""
    port = example("embed")
    one, other = connect(port), connect(port)
    ticks = 0
    measured = False
    while ticks < 2 or not measured:
        line = one.read_line()
        ticks += line.startswith(b"tick ")
        measured = measured or (line.startswith(b"free ") and line[5:-1].isdigit())
    says(one, "hello")
    while other.read_line() != b"hello\n":
        pass
