"""Memory that is held for all peers, and which are closed when it is too much."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.simulation import Simulation

from fastserver import CloseReason, Config, ConfigError
from fastserver.config.headroom import least_memory as least
from fastserver.config.listener import Role
from fastserver.fanout.pause import Pause
from fastserver.peers.peer import Peer

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
    held = simulation.server.limits.memory.usage().total
    assert 3_000_000 <= held <= 3_010_000
    assert all(peer.reason is None for peer in stuck)


def test_unfinished_messages_count() -> None:
    simulation = begin(max_message=2 * 1024 * 1024)
    peers = [simulation.connect()[0] for _ in range(3)]
    for peer, size in zip(peers, (1_000_000, 1_500_000, 1_200_000), strict=True):
        peer.data_received(b"x" * size)
    assert simulation.server.limits.memory.usage().total == 3_700_000
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
    assert simulation.server.limits.memory.usage().total == 0


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
            assert simulation.server.limits.memory.usage().total <= 1024 * 1024 + 2 * len(CHUNK)
        assert stuck.reason is None


MESSAGE = 1_000_000


def hold(simulation: Simulation, size: int, host: str) -> Peer:
    """A new peer that has sent so much of a message."""
    peer, _ = simulation.connect(host=host, role=Role.SEND)
    peer.data_received(b"x" * size)
    simulation.loop.tick()
    simulation.loop.advance(0.001)
    return peer


def send_message(simulation: Simulation, host: str) -> Peer:
    """A new peer that sends a message, a tenth of it every 10 ms, and stays."""
    peer, transport = simulation.connect(host=host, role=Role.SEND)
    for _ in range(10):
        if transport.reading and peer.reason is None:
            peer.data_received(b"x" * (MESSAGE // 10))
        simulation.loop.advance(0.01)
    if peer.reason is None:
        peer.data_received(b"\n")
    simulation.loop.tick()
    return peer


@pytest.mark.parametrize(
    "settings",
    [
        {"hosts": ["192.0.2.1"], "honest": "192.0.2.9"},
        {"hosts": [f"2001:db8::{number}" for number in range(1, 90)], "honest": "2001:db8:1::1"},
        {"hosts": ["127.0.0.1"], "honest": "127.0.0.1"},
        {"hosts": ["127.0.0.1"], "honest": "127.0.0.2", "limit_loopback": True},
    ],
    ids=["IPv4", "IPv6", "loopback", "loopback limited"],
)
def test_many_that_hold_a_little_pay_for_it(settings: dict[str, Any]) -> None:
    """Connections that stall within a message cost no honest sender its own, though each holds less than it."""
    hosts, honest = settings.pop("hosts"), settings.pop("honest")
    simulation = begin(max_memory=64 * 1024 * 1024, log_messages=0, **settings)
    stalled = [hold(simulation, 700_000, hosts[number % len(hosts)]) for number in range(94)]
    simulation.loop.advance(0.1)
    honest_ones = [send_message(simulation, honest) for _ in range(40)]
    assert [peer.reason for peer in honest_ones] == [None] * 40
    assert simulation.server.peers.totals().messages_in == 40
    assert 1 <= sum(peer.reason is CloseReason.MEMORY for peer in stalled) <= 10


def test_the_address_that_holds_most_pays_where_all_move() -> None:
    simulation = begin(max_memory=16 * 1024 * 1024)
    many = [hold(simulation, 400_000, "192.0.2.1") for _ in range(30)]
    few = [hold(simulation, 900_000, f"192.0.2.{number}") for number in range(2, 6)]
    for _ in range(20):
        for peer in (*many, *few):
            if peer.reason is None:
                peer.data_received(b"x" * 2000)
        simulation.loop.advance(0.01)
    assert {peer.reason for peer in few} == {None}
    assert CloseReason.MEMORY in {peer.reason for peer in many}


def test_readers_that_stand_still_go_before_those_that_take() -> None:
    """Each of two has a stream of its own; the one that takes is further behind."""
    simulation = begin(max_memory=LIMIT, max_pending=LIMIT)
    (still, _), (taking, transport) = simulation.connect(0), simulation.connect(0)
    while CloseReason.MEMORY not in {still.reason, taking.reason}:
        for peer, messages in (still, 2), (taking, 12):
            for _ in range(messages):
                peer.send(b"x" * 10_000)
                simulation.loop.tick()
        transport.give_room(100_000)
        simulation.loop.advance(0.01)
    assert still.reason is CloseReason.MEMORY
    assert taking.reason is None


def test_who_is_not_read_has_not_stood_still() -> None:
    simulation = begin(max_memory=LIMIT)
    held_up = hold(simulation, 900_000, "192.0.2.1")
    held_up.pause_reading(Pause.PACE)
    others = [hold(simulation, 800_000, f"192.0.2.{number}") for number in range(2, 5)]
    for _ in range(100):
        simulation.loop.advance(0.1)
        simulation.server.limits.memory.check()
    last = hold(simulation, 900_000, "192.0.2.9")
    simulation.server.limits.memory.check()
    assert held_up.reason is last.reason is None
    assert [peer.reason for peer in others].count(CloseReason.MEMORY) == 1


@pytest.mark.parametrize("mode", ["lines", "msgpack", "msgpack-stream"])
@pytest.mark.parametrize("max_message", [1, 5000, 1024 * 1024, 3_000_001])
def test_one_message_of_the_longest_fits(mode: str, max_message: int) -> None:
    """The least that is allowed closes nobody who sends one message, however it is cut."""
    memory = max(1024 * 1024, least(max_message))
    simulation = begin(mode=mode, max_memory=memory, max_message=max_message)
    peer, _ = simulation.connect()
    _, transport = simulation.connect()
    payload = b"\xc6" + (max_message - 5).to_bytes(4, "big") + bytes(max_message - 5) if max_message > 5 else b"\xc0"
    frame = simulation.server.packer.frame_packed(b"x" * max_message if mode == "lines" else payload)
    for _ in range(3):
        for start in range(0, len(frame), 100_000):
            peer.data_received(frame[start : start + 100_000])
            simulation.server.limits.memory.check()
            simulation.loop.tick()
    assert peer.reason is None
    assert bytes(transport.sent) == frame * 3


def test_less_memory_than_a_message_is_refused() -> None:
    message = 64 * 1024 * 1024
    with pytest.raises(ConfigError) as caught:
        Config(max_message=message, max_memory=least(message) - 1)
    assert "--max-memory: " in str(caught.value)
    assert "not allowed with --max-message 64 MiB" in str(caught.value)
    assert str(least(message)) in str(caught.value)
    Config(max_message=message, max_memory=least(message))
    Config(max_message=message, max_memory=None)


def test_nothing_is_kept_of_those_that_are_gone() -> None:
    simulation = begin()
    peers = [hold(simulation, 600_000, "192.0.2.1") for _ in range(5)]
    simulation.server.limits.memory.check()
    assert set(simulation.server.limits.memory._progress) == set(peers)
    for peer in peers:
        peer.abort()
    simulation.loop.tick()
    assert not simulation.server.limits.memory._progress


def test_what_is_kept_beside_frames_counts_for_the_limit_of_memory() -> None:
    """Empty lines said in turn: more is kept beside them than they have, and `max_memory` holds for it."""
    limit = 1 << 20
    simulation = Simulation(log_messages=0, max_memory=limit, max_message=1 << 16)
    stuck = [simulation.connect(0)[0] for _ in range(20)]
    simulation.connect()
    most = 0
    for turn in range(20_000):
        peer = stuck[turn % 20]
        if peer.reason is None:
            peer.data_received(b"\n")
        simulation.loop.tick()
        if turn % 100 == 0:
            kept: dict[int, int] = {}
            for one in simulation.server.tick.behind:
                kept |= one.kept()
            most = max(most, sum(kept.values()))
    assert most <= limit + limit // 8
    assert all(peer.reason in (None, CloseReason.MEMORY) for peer in stuck)
