"""Policies: a peer that is further behind than its limit is closed, or misses messages."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulation import Simulation
from support.slow import LIMIT, message


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(1, 40), st.integers(0, 4000)),
            st.tuples(st.just("read"), st.integers(1, 200_000), st.just(0)),
            st.tuples(st.just("speak"), st.integers(1, 3), st.integers(0, 4000)),
        ),
        max_size=60,
    ),
    room=st.integers(0, 2000),
)
def test_drop_oldest_drops_whole_messages_and_counts_them(steps: list[tuple[str, int, int]], room: int) -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="drop-oldest", log_messages=0)
    sender, healthy = simulation.connect()
    slow, reading = simulation.connect(room)
    offered: list[bytes] = []
    spoken: list[bytes] = []
    for step, count, size in steps:
        if step == "read":
            reading.give_room(count)
        for number in range(count if step != "read" else 0):
            one = message(len(offered) + len(spoken) + number, size)
            if step == "send":
                sender.data_received(one)
                offered.append(one)
            else:
                slow.data_received(one)
                spoken.append(one)
        simulation.loop.tick()
        figures = slow.figures()
        assert slow.reason is None
        assert figures.offered_messages == len(offered)
        assert figures.offered_bytes == sum(map(len, offered))
        assert figures.bytes_out == len(reading.sent)
        assert figures.messages_out == bytes(reading.sent).count(b"\n")
        # The transport keeps what it was given; beyond that, no more than the limit waits.
        assert figures.pending_bytes <= LIMIT + reading.get_write_buffer_size()
    reading.give_room(1 << 40)
    figures = slow.figures()
    received = bytes(reading.sent).splitlines(keepends=True)
    waiting = iter(offered)
    assert all(one in waiting for one in received)  # each, in order, as it was sent
    assert figures.pending_messages == 0
    assert figures.dropped_messages == len(offered) - len(received)
    assert figures.dropped_bytes == sum(map(len, offered)) - len(reading.sent)
    assert bytes(healthy.sent) == b"".join(spoken)


def test_an_episode_is_one_line_that_says_how_long_and_how_many(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="drop-oldest", log_messages=1)
    sender, _ = simulation.connect()
    _slow, reading = simulation.connect(0)
    with caplog.at_level(logging.WARNING, "fastserver"):
        for number in range(100):
            sender.data_received(message(number, 9990))
            simulation.loop.tick()
        simulation.loop.advance(2.0)
        reading.give_room(1 << 40)
    dropped = 100 - bytes(reading.sent).count(b"\n")
    assert caplog.messages == [
        "slow consumer 2 127.0.0.1:40002 has caught up after 2.0 s; policy drop-oldest, "
        f"{dropped} messages dropped for it"
    ]
    assert bytes(reading.sent).endswith(message(99, 9990))


def test_an_episode_that_ends_with_its_peer_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="drop-newest", log_messages=1)
    sender, _ = simulation.connect()
    _slow, reading = simulation.connect(0)
    for number in range(100):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    with caplog.at_level(logging.WARNING, "fastserver"):
        reading.reset()
        simulation.loop.tick()
    assert caplog.messages == [
        "slow consumer 2 127.0.0.1:40002 is gone after 0.0 s; policy drop-newest, 100 messages dropped for it"
    ]


def test_drop_oldest_keeps_the_newest_that_fit() -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="drop-oldest", log_messages=0)
    sender, _ = simulation.connect()
    slow, reading = simulation.connect(0)
    sender.data_received(b"first\n")
    simulation.loop.tick()
    sender.data_received(b"".join([message(number, 90) for number in range(2000)]))
    simulation.loop.tick()
    assert LIMIT * 7 // 8 < slow.figures().pending_bytes <= LIMIT
    reading.give_room(1 << 40)
    kept = bytes(reading.sent).count(b"\n") - 1
    assert bytes(reading.sent) == b"first\n" + b"".join([message(number, 90) for number in range(2000 - kept, 2000)])


def test_drop_newest_keeps_the_oldest_and_begins_again_when_a_quarter_is_free() -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="drop-newest", notify_drops=True, log_messages=0)
    sender, _ = simulation.connect()
    slow, reading = simulation.connect(0)
    for number in range(20):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    assert slow.figures().pending_messages == 7  # the one that passed the limit is the last
    reading.give_room(5 * 10_000)
    sender.data_received(message(20, 9990))
    simulation.loop.tick()
    reading.give_room(1 << 40)
    sender.data_received(message(21, 9990))
    simulation.loop.tick()
    lines = bytes(reading.sent).splitlines(keepends=True)
    assert lines[:7] == [message(number, 9990) for number in range(7)]
    missed = json.loads(lines[7])
    assert missed["fastserver"] == "missed"
    first = 7 + missed["messages"]
    assert lines[8:] == [message(number, 9990) for number in range(first, 22)]
    assert slow.figures().dropped_messages == missed["messages"] in (13, 14)


def test_latest_gives_the_newest_alone_until_it_has_caught_up() -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="latest", log_messages=0)
    sender, _ = simulation.connect()
    slow, reading = simulation.connect(0)
    for number in range(20):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    slow.data_received(b"mine\n")
    simulation.loop.tick()
    reading.give_room(10_000)  # its transport is empty, and given the newest then
    for number in range(20, 23):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    reading.give_room(10_000)
    for number in range(23, 25):
        sender.data_received(message(number, 90))
        simulation.loop.tick()
    reading.give_room(1 << 40)
    sender.data_received(b"all\n")
    simulation.loop.tick()
    assert bytes(reading.sent) == (
        message(0, 9990) + message(19, 9990) + message(22, 9990) + message(24, 90) + b"all\n"
    )
    assert slow.figures().dropped_messages == 25 - 4


def test_disconnect_closes_it_and_counts_what_it_did_not_get() -> None:
    simulation = Simulation(max_pending=LIMIT, log_messages=0)
    sender, _ = simulation.connect()
    slow, reading = simulation.connect(1000)
    for number in range(20):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    assert slow.reason == "slow_consumer"
    assert reading.lost
    figures = slow.figures()
    assert figures.bytes_out == 1000
    assert figures.messages_out == 0
    assert figures.offered_messages == figures.dropped_messages
    assert list(simulation.server.peers) == [sender]
