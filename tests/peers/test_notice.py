"""Frames of the server's own, which may be longer than what peers may send."""

from __future__ import annotations

import contextlib
import signal
from typing import Any

import pytest
from conftest import Serve
from support.simulation import Simulation
from support.slow import LIMIT, message

from fastserver import CloseReason
from fastserver.framing import FRAMINGS
from fastserver.framing.arguments import UNLIMITED
from fastserver.peers.peer import Peer

MODES = ["lines", "msgpack", "msgpack-stream"]
POLICIES = ["drop-oldest", "drop-newest", "latest"]


def begin(mode: str, **settings: Any) -> Simulation:
    more = {"message_timeout": None, "log_messages": 0, "max_pending": LIMIT, "max_message": 16}
    return Simulation(mode=mode, notify_drops=True, **more | settings)


def flood(simulation: Simulation, size: int) -> None:
    """Someone comes, sends messages of 10 bytes that come to `size` at least, and leaves."""
    sender, transport = simulation.connect()
    frame = simulation.server.packer.frame(b"x" * 9)
    for _ in range(size // 1000):
        sender.data_received(frame * (1000 // len(frame) + 1))
        simulation.loop.tick()
    transport.reset()
    simulation.loop.tick()


def words(mode: str, data: bytes) -> list[bytes]:
    """The messages in `data` that are notices."""
    splitter = FRAMINGS[mode].splitter(UNLIMITED)
    return [message.frame for message in splitter.messages(data, None) if b"fastserver" in message.frame]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("room", range(0, 80, 11))
def test_notice_of_which_a_part_was_taken(mode: str, policy: str, room: int) -> None:
    """The figures say how many messages are pending where the transport holds the rest of a notice."""
    simulation = begin(mode, slow_consumer=policy)
    peer, transport = simulation.connect(0)
    flood(simulation, 4 * LIMIT)
    for _ in range(50):
        transport.give_room(2000 + room)
        simulation.loop.tick()
        figures = peer.figures()
        assert figures.offered_messages == (figures.messages_out + figures.pending_messages + figures.dropped_messages)
    transport.reset()
    simulation.loop.tick()
    assert peer.closed
    assert not simulation.server.peers


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
def test_peer_that_is_told_and_goes_on_to_be_slow(mode: str, policy: str) -> None:
    """Policies look for the ends of messages in a backlog that holds notices and messages of handlers."""
    simulation = begin(mode, slow_consumer=policy)
    peer, transport = simulation.connect(0)
    for _ in range(5):
        flood(simulation, 2 * LIMIT)
        transport.give_room(LIMIT)
        simulation.loop.tick()
        simulation.server.report()
    transport.give_room(1 << 40)
    simulation.loop.tick()
    told = words(mode, bytes(transport.sent))
    assert told
    assert peer.figures().pending_messages == 0
    assert peer.figures().dropped_messages > 0
    assert min(map(len, told)) > 16


@pytest.mark.parametrize("mode", MODES)
def test_last_word_and_heartbeat(mode: str) -> None:
    simulation = begin(mode, last_word=True, heartbeat=4.0)
    peer, transport = simulation.connect(3)
    simulation.loop.advance(60.0)
    peer.close(CloseReason.KICKED)
    peer.figures()
    transport.give_room(10)
    assert peer.figures().pending_messages == 1
    transport.reset()
    simulation.loop.tick()
    assert peer.closed


@pytest.mark.parametrize("policy", POLICIES)
def test_the_command_ends_by_a_signal(serve: Serve, policy: str) -> None:
    options = ("--slow-consumer", policy, "--notify-drops", "--max-message", "16", "--max-pending", "64KiB")
    server = serve(*options, "--half-close-timeout", "0")
    slow, sender = server.connect(receive_buffer=4096), server.connect()
    slow.send(b"here\n")
    assert sender.read_line() == b"here\n"
    sender.send(b"0123456789abcde\n" * 1_000_000)
    sender.close()
    server.errors.wait_for("peer 2 .* disconnected: eof")
    slow.close()
    server.errors.wait_for("peer 1 .* disconnected: ")
    assert "Traceback" not in server.stop(signal.SIGTERM)


def fail(*_: object) -> Any:
    raise MemoryError


@pytest.mark.parametrize(
    "part",
    [
        "hub.behind.forget",
        "packer.framing.resplitter",
        "limits.slow_consumers.forget",
        "limits.timeouts.forget",
        "limits.heartbeat.forget",
        "door.admission.remove",
        "handlers.disconnected",
    ],
)
def test_peer_is_off_the_books_whatever_fails(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that ends takes its peer off all books, also where one of them fails."""
    simulation = Simulation(message_timeout=None, half_close_timeout=60.0)
    (peer, _), (other, _) = simulation.connect(), simulation.connect(0)
    peer.eof_received()
    other.send(b"pending")
    simulation.loop.tick()
    owner: Any = simulation.server
    *path, name = part.split(".")
    for step in path:
        owner = getattr(owner, step)
    with monkeypatch.context() as broken:
        try:
            broken.setattr(owner, name, fail)
        except AttributeError:  # of a compiled class
            broken.setattr(type(owner), name, fail)
        for one in (peer, other):
            one.link.transport.closing = one.link.transport.lost = True  # type: ignore[attr-defined]
            with contextlib.suppress(MemoryError):  # the loop would log it
                one.connection_lost(ConnectionResetError())
    assert peer.closed
    assert other.closed
    assert not simulation.server.peers
    assert not simulation.server.everyone.peers
    assert simulation.server.door.emptied.is_set()


def test_books_of_a_peer_that_cannot_be_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(message_timeout=None)
    peer, transport = simulation.connect()
    monkeypatch.setattr(Peer, "figures", fail)
    transport.reset()
    simulation.loop.tick()
    assert peer.closed
    assert not simulation.server.peers
    assert simulation.server.door.emptied.is_set()


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
