"""What is held for all peers, and who is closed when it is too much."""

from __future__ import annotations

import logging

import pytest
from simulation import Simulation

from fastserver import CloseReason
from fastserver.memory import Held

LIMIT = 4 * 1024 * 1024
CHUNK = b"x" * 99_999 + b"\n"


def begin(**settings: object) -> Simulation:
    options: dict[str, object] = {"max_memory": LIMIT, "log_messages": 5, "message_timeout": None}
    return Simulation(**(options | settings))


def send(simulation: Simulation, chunks: int) -> None:
    peer, transport = simulation.connect()
    for _ in range(chunks):
        peer.data_received(bytes(bytearray(CHUNK)))  # an object of its own, as from a socket
        simulation.loop.tick()
        simulation.loop.advance(0.01)
    transport.reset()
    simulation.loop.tick()


def test_a_batch_counts_once_however_many_wait_for_it() -> None:
    simulation = begin()
    stuck = [simulation.connect(0)[0] for _ in range(50)]
    send(simulation, 30)
    held = Held(simulation.server).total
    assert 3_000_000 <= held <= 3_010_000
    assert all(peer.reason is None for peer in stuck)


def test_unfinished_messages_count() -> None:
    simulation = begin(max_message=2 * 1024 * 1024)
    peers = [simulation.connect()[0] for _ in range(3)]
    for peer, size in zip(peers, (1_000_000, 1_500_000, 1_200_000), strict=True):
        peer.data_received(b"x" * size)
    assert Held(simulation.server).total == 3_700_000
    last, _ = simulation.connect()
    last.data_received(b"x" * 700_000)
    assert [peer.reason for peer in (*peers, last)] == [None, CloseReason.MEMORY, None, None]


def test_the_peer_whose_leaving_frees_most_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    simulation = begin()
    first, _ = simulation.connect(0)
    send(simulation, 25)
    later = [simulation.connect(0)[0] for _ in range(5)]
    with caplog.at_level(logging.WARNING, "fastserver"):
        send(simulation, 20)
    assert first.reason is CloseReason.MEMORY
    assert [peer.reason for peer in later] == [None] * 5
    assert "bytes are held for peers, more than 4194304 allow: closing peer 1 127.0.0.1:40001" in caplog.text
    send(simulation, 25)  # what they share is now too much; none of them frees anything alone
    assert {peer.reason for peer in later} == {CloseReason.MEMORY}
    assert Held(simulation.server).total == 0


def test_others_get_everything_when_it_runs_out() -> None:
    simulation = begin()
    simulation.connect(0)
    _, healthy = simulation.connect()
    send(simulation, 100)
    assert bytes(healthy.sent) == CHUNK * 100


def test_off_is_no_limit() -> None:
    simulation = begin(max_memory=None)
    stuck, _ = simulation.connect(0)
    send(simulation, 100)
    assert stuck.reason is None


def test_policies_that_drop_stay_within_it() -> None:
    for policy in "drop-oldest", "drop-newest", "latest":
        simulation = begin(slow_consumer=policy, max_pending=1024 * 1024)
        stuck, _ = simulation.connect(0)
        for _ in range(5):
            send(simulation, 50)
            assert Held(simulation.server).total <= 1024 * 1024 + 2 * len(CHUNK)
        assert stuck.reason is None
