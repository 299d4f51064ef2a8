"""Peers of listeners that name a channel: a conversation of their own."""

from __future__ import annotations

import json
import logging

import pytest
from support.simulation import Simulation, Transport
from support.slow import LIMIT, message

from fastserver import Config, Message, Peer, Server
from fastserver.config.listener import Role

LAB = "lines://127.0.0.1:0?channel=lab"


def heard(*transports: Transport) -> list[bytes]:
    return [bytes(transport.sent) for transport in transports]


def test_they_hear_each_other_and_nobody_else_in_whatever_framing() -> None:
    simulation = Simulation(log_messages=0)
    (one, own), (_, other) = simulation.connect(), simulation.connect(mode="msgpack-stream")
    lab, in_lab = simulation.connect(channel="lab")
    packed, in_msgpack = simulation.connect(mode="msgpack-stream", channel="lab")
    _, elsewhere = simulation.connect(channel="elsewhere")
    one.data_received(b"everyone\n")
    lab.data_received(b"lab\n")
    simulation.loop.tick()
    packed.data_received(b"\xa6packed")
    simulation.loop.tick()
    assert heard(own, other, in_lab, in_msgpack, elsewhere) == [b"", b"\xa8everyone", b"packed\n", b"\xa3lab", b""]
    assert (one.channel.name, lab.channel.name) == ("", "lab")
    assert packed.memberships is None  # as small as any other peer


def test_the_channel_is_the_program_s_too() -> None:
    simulation = Simulation(log_messages=0)
    server = simulation.server
    (one, own), (lab, in_lab) = simulation.connect(), simulation.connect(channel="lab")
    channel = server.channel("lab")
    assert lab.channel is channel is server.channels["lab"]
    assert (channel.peers, server.everyone.peers) == ([lab], [one])
    assert (lab.channels, one.channels) == ([channel], [])
    channel.broadcast(b"for the lab")
    server.everyone.broadcast(b"for everyone")
    one.join(channel)
    lab.join(server.everyone)
    channel.broadcast(b"for both")
    server.everyone.broadcast(b"for both, too", exclude=one)
    simulation.loop.tick()
    assert heard(own, in_lab) == [b"for everyone\nfor both\n", b"for the lab\nfor both\nfor both, too\n"]
    lab.leave(channel)
    lab.data_received(b"still said there\n")
    simulation.loop.tick()
    assert heard(own)[0].endswith(b"still said there\n")
    assert bytes(in_lab.sent).count(b"\n") == 3


def test_the_channel_is_there_as_long_as_the_server() -> None:
    server = Server(Config(listen=(LAB,)))
    assert list(server.channels) == ["lab"]
    assert server.channel("lab") is server.channels["lab"]


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("handled", [False, True])
def test_messages_go_to_the_channel_of_their_sender(handled: bool, echo: bool) -> None:
    simulation = Simulation(log_messages=0, echo=echo)
    seen: list[str] = []

    def pass_on(message: Message) -> None:
        seen.append(message.peer.channel.name)
        message.broadcast()

    if handled:
        simulation.server.on_message(pass_on)
    (one, own), (lab, in_lab), (_, other) = (simulation.connect(channel=name) for name in (None, "lab", "lab"))
    lab.data_received(b"a\nb\n")
    one.data_received(b"c\n")
    simulation.loop.tick()
    assert heard(own, in_lab, other) == [b"c\n" * echo, b"a\nb\n" * echo, b"a\nb\n"]
    assert seen == ["lab", "lab", ""] * handled


def test_roles_hold() -> None:
    simulation = Simulation(log_messages=0)
    (sender, sending), (receiver, receiving) = (
        simulation.connect(role=role, channel="lab") for role in (Role.SEND, Role.RECEIVE)
    )
    sender.data_received(b"one\n")
    receiver.data_received(b"two\n")
    simulation.loop.tick()
    assert heard(sending, receiving) == [b"", b"one\n"]
    assert simulation.server.channel("lab").peers == [receiver]


@pytest.mark.parametrize("policy", ["disconnect", "drop-oldest", "drop-newest", "latest", "block"])
def test_policies_hold_and_books_balance(policy: str) -> None:
    simulation = Simulation(
        max_pending=LIMIT, slow_consumer=policy, notify_drops=True, log_messages=0, message_timeout=None
    )
    (slow, reading), (sender, _), (_, healthy) = (
        simulation.connect(room, channel="lab") for room in (0, 1 << 40, 1 << 40)
    )
    _, outside = simulation.connect()
    for number in range(20):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    figures = slow.figures()
    assert figures.offered_messages == figures.messages_out + figures.dropped_messages + figures.pending_messages
    if policy == "disconnect":
        assert slow.reason == "slow_consumer"
    else:
        reading.give_room(1 << 40)
        sender.data_received(b"after\n")
        simulation.loop.tick()
        figures = slow.figures()
        missed = [json.loads(line)["messages"] for line in bytes(reading.sent).splitlines() if line.startswith(b"{")]
        assert sum(missed) == figures.dropped_messages
        assert (policy == "block") == (figures.dropped_messages == 0)
        assert bytes(reading.sent).endswith(b"after\n")
    assert bytes(healthy.sent).startswith(b"".join(message(number, 9990) for number in range(20)))
    assert bytes(outside.sent) == b""


def test_heartbeats_last_words_and_the_report_are_for_all(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(heartbeat=1.0, last_word=True, idle_timeout=None, message_timeout=None)
    (_, own), (lab, in_lab) = simulation.connect(), simulation.connect(channel="lab")
    simulation.loop.advance(1.5)
    assert heard(own, in_lab) == [b"\n", b"\n"]
    with caplog.at_level(logging.INFO, "fastserver"):
        simulation.server.report()
    assert "report: 2 peers connected, 2 since start, 0 messages (0 bytes) in, 2 messages (2 bytes) out" in caplog.text
    lab.close()
    simulation.loop.tick()
    assert bytes(in_lab.sent) == b'\n{"fastserver": "closing", "reason": "kicked"}\n'


def test_the_log_names_the_channel(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation()
    with caplog.at_level(logging.INFO, "fastserver"):
        simulation.connect(channel="lab")
        simulation.connect(channel="lab", role=Role.RECEIVE)
        simulation.connect()
    assert [text.partition(" connected")[2] for text in caplog.messages] == [
        ", channel lab",
        ", role receive, channel lab",
        "",
    ]


def test_those_who_listen_in_the_program_hear_the_channel() -> None:
    simulation = Simulation(log_messages=0)
    lab, _ = simulation.connect(channel="lab")
    with simulation.server.channel("lab").listen() as listening:
        lab.data_received(b"one\n")
        simulation.loop.tick()
        assert listening.figures().offered_messages == 1
        assert simulation.server.channel("lab").peers == [lab]


def test_a_handler_finds_the_others_of_the_channel() -> None:
    simulation = Simulation(log_messages=0)
    came: list[list[Peer]] = []
    simulation.server.on_connect(lambda peer: came.append(peer.channel.peers))
    simulation.connect()
    lab, _ = simulation.connect(channel="lab")
    other, _ = simulation.connect(channel="lab")
    assert came[1:] == [[lab], [lab, other]]
