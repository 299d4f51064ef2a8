"""A tick: when what was sent goes out."""

from __future__ import annotations

from typing import Any

import pytest
from support.simulation import Simulation

from fastserver import Message


def test_one_who_alone_was_heard_last_is_not_kept_waiting() -> None:
    simulation = Simulation(log_messages=0)
    (one, _), (two, _), (_, hearing) = (simulation.connect() for _ in range(3))
    one.data_received(b"first\n")
    assert hearing.sent == b""  # another may be readable in the same poll
    simulation.loop.tick()
    one.data_received(b"second\n")
    assert hearing.sent == b"first\nsecond\n"
    two.data_received(b"third\n")
    one.data_received(b"fourth\n")
    simulation.loop.tick()
    one.data_received(b"fifth\n")
    two.data_received(b"sixth\n")
    assert hearing.sent == b"first\nsecond\nthird\nfourth\n"
    simulation.loop.tick()
    assert hearing.sent == b"first\nsecond\nthird\nfourth\nfifth\nsixth\n"


@pytest.mark.parametrize("settings", [{"flush_interval": 0.1}, {"echo": True}])
def test_others_wait_for_the_end_of_the_tick(settings: dict[str, Any]) -> None:
    simulation = Simulation(log_messages=0, **settings)
    (one, _), (_, hearing) = simulation.connect(), simulation.connect()
    for count in (1, 2, 3):
        one.data_received(b"again\n")
        assert hearing.sent == b"again\n" * (count - 1)
        simulation.loop.tick()
        simulation.loop.advance(0.1)
        assert hearing.sent == b"again\n" * count


def test_what_goes_out_at_once_is_shown_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "fastserver")
    simulation = Simulation(log_messages=5)
    (one, _), (_, hearing) = simulation.connect(), simulation.connect()
    for _ in range(2):
        one.data_received(b"again\n")
        simulation.loop.tick()
    assert hearing.sent == b"again\n" * 2
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records][-2:] == ["again"] * 2


def test_a_write_that_fails_takes_nothing_from_the_next_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(log_messages=0)
    (one, hearing), (two, _) = simulation.connect(), simulation.connect()
    with monkeypatch.context() as patch:
        patch.setattr("support.simulation.Transport.write", lambda *_: 1 / 0)
        one.data_received(b"lost by a fault of ours\n")
        with pytest.raises(ZeroDivisionError):
            simulation.loop.tick()
    two.data_received(b"whole\n")
    one.data_received(b"its own\n")
    simulation.loop.tick()
    assert hearing.sent == b"whole\n"


def test_one_write_a_tick_with_all_sends_in_the_order_of_the_calls() -> None:
    simulation = Simulation()
    room = simulation.server.channel("room")

    def answer(message: Message) -> None:
        message.peer.send(b"first")
        room.broadcast(b"second")
        simulation.server.everyone.broadcast(b"third", exclude=other)
        message.peer.send(b"fourth")

    simulation.server.on_message(answer)
    (one, own), (other, others) = simulation.connect(), simulation.connect()
    one.join(room)
    other.join(room)
    one.data_received(b"go\n")
    simulation.loop.tick()
    assert bytes(own.sent) == b"first\nsecond\nthird\nfourth\n"
    assert bytes(others.sent) == b"second\n"
    assert (own.writes, others.writes) == (1, 1)
