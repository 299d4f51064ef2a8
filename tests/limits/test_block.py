"""Block: senders wait for slow consumers, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from support.simulation import Simulation
from support.slow import LIMIT, fill, message

from fastserver import CloseReason


def blocking(**settings: Any) -> Simulation:
    return Simulation(
        max_pending=LIMIT, slow_consumer="block", block_timeout=6.0, log_messages=0, message_timeout=None, **settings
    )


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
