"""What becomes of a peer that is further behind than its limit."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import Simulation

LIMIT = 64 * 1024


def message(number: int, size: int) -> bytes:
    return b"%08d " % number + b"x" * size + b"\n"


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


def test_dropping_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="drop-oldest", log_messages=1)
    sender, _ = simulation.connect()
    _slow, reading = simulation.connect(0)
    with caplog.at_level(logging.WARNING, "fastserver"):
        for number in range(100):
            sender.data_received(message(number, 9990))
            simulation.loop.tick()
        assert len(caplog.messages) == 1
        assert "behind, more than 65536: dropping what it has waited for longest" in caplog.messages[0]
        simulation.loop.advance(2.0)
        reading.give_room(1 << 40)
    dropped = 100 - bytes(reading.sent).count(b"\n")
    assert caplog.messages[1:] == [
        f"peer 2 127.0.0.1:40002 has caught up after 2.0 s; {dropped} messages were dropped for it"
    ]
    assert bytes(reading.sent).endswith(message(99, 9990))


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
