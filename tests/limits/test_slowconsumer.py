"""Policies: a peer that is further behind than its limit is closed, or misses messages."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulation import Simulation

from fastserver import CloseReason
from fastserver.peers.peer import Peer

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


def test_senders_wait_for_a_blocking_peer_until_it_is_under_half_its_limit() -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="block", log_messages=0)
    (sender, sending), (other, telling) = simulation.connect(), simulation.connect()
    slow, reading = simulation.connect(0)
    for number in range(7):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    for peer in sender, other, slow:
        peer.data_received(b"one more read\n")
    simulation.loop.tick()
    simulation.loop.advance(2.0)  # pacing is over
    assert not sending.reading
    assert not telling.reading
    reading.give_room(30_000)
    simulation.loop.advance(1.1)
    assert not sending.reading
    reading.give_room(20_000)
    simulation.loop.advance(1.1)
    assert sending.reading
    assert telling.reading
    reading.give_room(1 << 40)
    assert slow.figures().dropped_messages == 0
    assert bytes(reading.sent) == b"".join([message(number, 9990) for number in range(7)]) + b"one more read\n" * 2


def test_a_peer_that_senders_wait_for_is_heard_itself() -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="block", log_messages=0)
    pair = [simulation.connect(0), simulation.connect(0)]
    for number in range(100):  # each sends 1 MB before it reads
        for peer, transport in pair:
            if number > 10:
                simulation.loop.advance(0.02)
                assert transport.reading
            peer.data_received(message(number, 9990))
            simulation.loop.tick()
    for _, transport in pair:
        transport.give_room(1 << 40)
        assert bytes(transport.sent) == b"".join([message(number, 9990) for number in range(100)])


def fill(simulation: Simulation, peer: Peer) -> None:
    """Bring who takes nothing over the limit, and have `peer` read once more."""
    for number in range(7):
        peer.data_received(message(number, 9990))
        simulation.loop.tick()
    peer.data_received(b"and rest\n")
    simulation.loop.tick()


def blocking(**settings: Any) -> Simulation:
    return Simulation(
        max_pending=LIMIT, slow_consumer="block", block_timeout=6.0, log_messages=0, message_timeout=None, **settings
    )


def test_all_that_take_nothing_for_the_timeout_are_closed_and_senders_wait_for_it_once() -> None:
    simulation = blocking()
    sender, sending = simulation.connect()
    stuck = [simulation.connect(room)[0] for room in range(0, 3000, 200)]
    (good, reading) = simulation.connect(0)
    fill(simulation, sender)
    simulation.loop.advance(5.8)
    assert not sending.reading
    reading.give_room(1000)
    assert all(peer.reason is None for peer in stuck)
    simulation.loop.advance(0.4)
    assert {peer.reason for peer in stuck} == {CloseReason.SLOW_CONSUMER}
    assert good.reason is None
    reading.give_room(1 << 40)
    assert sending.reading
    assert good.figures().dropped_messages == 0


def test_senders_wait_for_one_that_goes_on_taking_as_long_as_it_takes() -> None:
    simulation = blocking()
    sender, sending = simulation.connect()
    slow, reading = simulation.connect(0)
    fill(simulation, sender)
    waited = 0
    for _ in range(600):
        reading.give_room(100)
        simulation.loop.advance(0.5)
        waited += not sending.reading
        if sending.reading:
            fill(simulation, sender)
    assert slow.reason is None
    assert waited > 500


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("settings", [{}, {"limit_loopback": True, "max_peers_per_address": 100}])
def test_time_in_which_nothing_is_taken_adds_up_over_a_minute(settings: dict[str, Any], again: bool) -> None:
    """Of a peer, and of all from its address where limits per address are on."""
    simulation = blocking(**settings)
    sender, sending = simulation.connect()
    slow, reading = simulation.connect(0)
    fill(simulation, sender)
    simulation.loop.advance(3.0)
    if again:
        slow.abort()
        slow, reading = simulation.connect(0)
        simulation.loop.tick()
    else:
        reading.give_room(1 << 40)
        reading.room = 0
    assert sending.reading
    simulation.loop.advance(20.0)
    fill(simulation, sender)
    simulation.loop.advance(2.5)
    assert slow.reason is None
    assert not sending.reading
    simulation.loop.advance(1.0)
    anew = again and not settings
    assert (slow.reason is None) is anew
    simulation.loop.advance(3.0)
    assert slow.reason is CloseReason.SLOW_CONSUMER
    assert sending.reading
    other, _ = simulation.connect(0)  # when the time of its address is over, nobody waits for one that comes from there
    fill(simulation, sender)
    simulation.loop.advance(0.5)
    assert (other.reason is None) is not bool(settings)


def test_a_sender_that_is_gone_does_not_rest() -> None:
    simulation = blocking()
    sender, _ = simulation.connect()
    simulation.connect(0)
    fill(simulation, sender)
    sender.abort()
    simulation.loop.tick()
    assert not simulation.server.limits.slow_consumers.block._paused


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("lines", b'{"fastserver": "closing", "reason": "slow_consumer"}\n'),
        ("msgpack", b"\x00\x00\x00\x29\x82\xaafastserver\xa7closing\xa6reason\xadslow_consumer"),
        ("msgpack-stream", b"\x82\xaafastserver\xa7closing\xa6reason\xadslow_consumer"),
    ],
)
def test_the_last_word_comes_behind_what_the_transport_had(mode: str, expected: bytes) -> None:
    simulation = Simulation(mode=mode, max_pending=LIMIT, last_word=True, log_messages=0)
    sender, _ = simulation.connect()
    slow, reading = simulation.connect(1000)
    frame = simulation.server.packer.frame(b"x" * 9990)
    for _ in range(20):
        sender.data_received(frame)
        simulation.loop.tick()
    assert slow.reason == "slow_consumer"
    assert not reading.lost
    reading.give_room(1 << 40)
    assert bytes(reading.sent) == frame + expected
    assert reading.ended
    figures = slow.figures()
    assert figures.messages_out == 2
    assert figures.pending_messages == 0
    assert figures.offered_messages == 2 + figures.dropped_messages


def test_nothing_is_said_unasked() -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="drop-oldest", log_messages=0)
    sender, _ = simulation.connect()
    slow, reading = simulation.connect(0)
    for number in range(20):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    reading.give_room(1 << 40)
    slow.close()
    assert all(line.endswith(b"x") for line in bytes(reading.sent).splitlines())


def test_slow_after_closes_under_disconnect_what_is_a_quarter_behind_for_so_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulation = Simulation(max_pending=LIMIT, slow_after=8.0, log_messages=1, message_timeout=None)
    sender, _ = simulation.connect()
    (slow, _), (better, reading) = simulation.connect(0), simulation.connect(0)
    for number in range(3):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    simulation.loop.advance(6.0)
    reading.give_room(20_000)
    assert slow.reason is None
    simulation.loop.advance(6.0)
    assert slow.reason == "slow_consumer"
    assert better.reason is None
    assert "has been more than 16384 bytes behind for 8.0 s: closing it" in caplog.text


def test_slow_after_marks_and_logs_once_under_the_others(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(
        max_pending=LIMIT, slow_after=8.0, slow_consumer="drop-oldest", log_messages=5, message_timeout=None
    )
    sender, _ = simulation.connect()
    slow, reading = simulation.connect(0)
    for number in range(3):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    with caplog.at_level(logging.WARNING, "fastserver"):
        simulation.loop.advance(30.0)
        assert slow.reason is None
        assert slow.figures().slow
        reading.give_room(1 << 40)
        simulation.loop.advance(10.0)
    assert caplog.messages == ["peer 2 127.0.0.1:40002 has been more than 16384 bytes behind for 8.0 s"]
    assert not slow.figures().slow


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


def test_senders_wait_about_one_timeout_for_many_that_take_nothing_and_pass_their_limits_one_after_another() -> None:
    simulation = Simulation(max_pending=LIMIT, slow_consumer="block", block_timeout=6.0, log_messages=0)
    sender, sending = simulation.connect()
    stuck = [simulation.connect(10_000 * number)[0] for number in range(5)]
    waited = 0.0
    for number in range(40):
        while not sending.reading and waited < 60.0:
            simulation.loop.advance(0.1)
            waited += 0.1
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    assert [peer.reason for peer in stuck] == ["slow_consumer"] * 5
    assert waited < 2 * 6.0


@pytest.mark.parametrize("policy", ["disconnect", "drop-oldest", "drop-newest", "latest", "block"])
def test_one_message_may_always_be_pending_whole(policy: str) -> None:
    simulation = Simulation(log_messages=0, max_pending=64 * 1024, max_message=1 << 20, slow_consumer=policy)
    sender, _ = simulation.connect()
    reader, transport = simulation.connect(0)
    large = b"x" * 600_000 + b"\n"
    sender.data_received(b"before\n")
    simulation.loop.tick()
    for start in range(0, len(large), 200_000):
        sender.data_received(large[start : start + 200_000])
        simulation.loop.tick()
    sender.data_received(b"after\n")
    simulation.loop.tick()
    assert reader.reason is None
    expected = b"before\n" + large + b"after\n"
    for _ in range(50):
        transport.give_room(20_000)
        simulation.loop.tick()
        simulation.loop.advance(0.01)
    assert transport.sent == expected
    assert reader.figures().dropped_messages == 0


def test_two_large_messages_are_too_many() -> None:
    simulation = Simulation(log_messages=0, max_pending=64 * 1024, max_message=1 << 20)
    sender, _ = simulation.connect()
    reader, _ = simulation.connect(0)
    for _ in range(2):
        sender.data_received(b"x" * 600_000 + b"\n")
        simulation.loop.tick()
    assert reader.reason is CloseReason.SLOW_CONSUMER


def test_many_small_messages_get_no_more_than_the_limit() -> None:
    simulation = Simulation(log_messages=0, max_pending=64 * 1024)
    sender, _ = simulation.connect()
    reader, _ = simulation.connect(0)
    for _ in range(3):
        sender.data_received(b"x" * 999 + b"\n" + (b"y" * 99 + b"\n") * 240)
        simulation.loop.tick()
    assert reader.reason is CloseReason.SLOW_CONSUMER
