"""A peer, as a handler has it: what can be sent to it, and from where."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from conftest import Run
from support.simulation import Simulation

from fastserver import Channel, Client, CloseReason, Config, Server


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 10.0, **settings}))


def connect(to: Server, **more: Any) -> Client:
    return Client(to.addresses[0], mode=to.config.mode, **more)


def test_send_to_a_closed_peer_is_false() -> None:
    simulation = Simulation()
    peer, transport = simulation.connect()
    assert peer.send(b"last words")
    peer.close()
    assert not peer.send(b"too late")
    assert bytes(transport.sent) == b"last words\n"
    assert transport.ended
    peer.eof_received()
    simulation.loop.tick()
    assert not peer.send(b"still")
    assert peer.figures().reason == CloseReason.KICKED


@pytest.mark.parametrize(
    ("mode", "value", "error"),
    [
        ("lines", "text", TypeError),
        ("lines", None, TypeError),
        ("lines", b"two\nlines", ValueError),
        ("lines", b"ends with CR\r", ValueError),
        ("lines", b"x" * 101, ValueError),
        ("msgpack", object(), TypeError),
        ("msgpack", 1 << 64, ValueError),
        ("msgpack", b"x" * 101, ValueError),
        ("msgpack-stream", {"a": object()}, TypeError),
    ],
)
def test_what_cannot_be_a_message_is_refused_where_it_is_sent(mode: str, value: object, error: type[Exception]) -> None:
    simulation = Simulation(mode=mode, max_message=100)
    peer, transport = simulation.connect()
    with pytest.raises(error):
        peer.send(value)
    with pytest.raises(error):
        simulation.server.everyone.broadcast(value)
    simulation.loop.tick()
    assert not transport.sent


def test_packed_bytes_go_by_another_name() -> None:
    simulation = Simulation(mode="msgpack-stream")
    peer, transport = simulation.connect()
    peer.send(b"\x01")
    peer.send_packed(b"\x01")
    simulation.server.everyone.broadcast_packed(b"\xc3")
    with pytest.raises(ValueError, match="0xc1"):
        peer.send_packed(b"\xc1")
    simulation.loop.tick()
    assert bytes(transport.sent) == b"\xc4\x01\x01" + b"\x01" + b"\xc3"


def test_user_data() -> None:
    simulation = Simulation()
    peer, _ = simulation.connect()
    assert peer.data is None
    peer.data = {"name": "Ada"}
    assert peer.data["name"] == "Ada"
    assert repr(peer) == "<Peer 1 127.0.0.1:40001 active>"


def test_sending_from_another_thread(run: Run) -> None:
    async def main() -> None:
        made = server()
        async with made, connect(made) as client:
            while not made.everyone.peers:
                await asyncio.sleep(0)
            peer = made.everyone.peers[0]
            refused: list[Exception] = []

            def work(channel: Channel) -> None:
                channel.broadcast_threadsafe(b"to all")
                peer.send_threadsafe(b"to one")
                try:
                    peer.send_threadsafe(b"two\nlines")
                except ValueError as error:
                    refused.append(error)

            thread = threading.Thread(target=work, args=(made.everyone,))
            thread.start()
            received = [(await anext(aiter(client))).payload for _ in range(2)]
            thread.join()
            assert received == [b"to all", b"to one"]
            assert len(refused) == 1

    run(main())


@pytest.mark.parametrize("policy", ["disconnect", "drop-newest"])
def test_a_peer_leaves_once_where_the_messages_before_are_too_many_for_it(policy: str) -> None:
    simulation = Simulation(max_pending=64 * 1024, slow_consumer=policy, log_messages=0)
    channel = simulation.server.channel("room")
    peer, transport = simulation.connect(100)
    peer.join(channel)
    for _ in range(2):
        channel.broadcast(b"x" * 69_999)
    peer.leave(channel)
    assert channel.peers == []
    figures = peer.figures()
    assert figures.offered_messages == 2
    assert figures.offered_bytes == 140_000
    assert figures.bytes_out == len(transport.sent)
    channel.broadcast(b"not for it")
    simulation.loop.tick()
    assert peer.offered() == (2, 140_000)


def test_a_peer_that_was_closed_by_the_messages_before_does_not_join() -> None:
    simulation = Simulation(max_pending=64 * 1024, log_messages=0, last_word=True)
    channel = simulation.server.channel("room")
    peer, _ = simulation.connect(100)
    for _ in range(2):
        simulation.server.everyone.broadcast(b"x" * 69_999)
    peer.join(channel)
    assert peer.reason == CloseReason.SLOW_CONSUMER
    assert channel.peers == []
