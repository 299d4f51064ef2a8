"""The bus: topics, and events for those that subscribed to them."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import msgpack
from conftest import StartProgram
from support.examples import Connect, Start
from support.requirements import required_node_package, required_program

import fastserver.examples
from fastserver import BlockingClient

FOLDER = Path(fastserver.examples.__file__).parent


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
    """The client says so, and goes on listening."""
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


def test_the_bus_from_node(example: Start, start_program: StartProgram) -> None:
    """The client in Node, twice: one publishes to the other, and to Python."""
    variables = {**os.environ, "NODE_PATH": required_node_package("@msgpack/msgpack")}
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
    """The client writes one line, not a trace, where nobody listens."""
    variables = {**os.environ, "NODE_PATH": required_node_package("@msgpack/msgpack")}
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
