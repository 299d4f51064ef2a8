"""Messages that are held back: they come before the end of their sender, or are for nobody."""

from __future__ import annotations

import asyncio

import pytest
from support.pace import LIMIT, READ, begin, flood
from support.simulation import Simulation

from fastserver import CloseReason, Message
from fastserver.fanout.pause import Pause
from fastserver.limits.trickle import TRICKLE_INTERVAL

LONG = (b"x" * 499 + b"\n") * 500


def test_what_is_held_counts_as_held() -> None:
    simulation, (sender, _), _ = begin()
    for _ in range(10):
        sender.data_received(READ)
        simulation.loop.tick()
    held = simulation.server.limits.pacing.held_bytes(sender)
    assert held > len(READ) * 6
    assert sender.incoming_bytes == held
    assert simulation.server.limits.memory.usage().total > held


@pytest.mark.parametrize("end", ["eof", "close", "reset", "frame error", "stop"])
def test_what_is_held_comes_before_the_end(end: str) -> None:
    simulation, (sender, sending), (_slow, reading) = begin(max_message=1000, slow_consumer="block")
    _healthy, hearing = simulation.connect()
    lines = [b"%099d\n" % number for number in range(12_000)]
    sender.data_received(b"".join(lines[:6000]))
    simulation.loop.tick()
    sender.data_received(b"".join(lines[6000:]))
    assert simulation.server.limits.pacing.held_bytes(sender) > 0
    if end == "eof":
        sender.data_received(b"un")
        sender.data_received(b"finished")
        lines.append(b"unfinished\n")
        sender.eof_received()
    elif end == "close":
        sender.close(CloseReason.IDLE)
    elif end == "reset":
        sending.reset()
    elif end == "frame error":
        sender.data_received(b"last\n" + b"x" * 2000)
        lines.append(b"last\n")
        assert sender.reason is CloseReason.FRAME_ERROR
    else:
        sender.deafen(CloseReason.SHUTDOWN)
        simulation.server.limits.pacing.deliver_all()
    simulation.loop.tick()
    reading.give_room(1 << 40)
    simulation.loop.tick()
    assert bytes(hearing.sent) == bytes(reading.sent) == b"".join(lines)
    assert simulation.server.limits.pacing.held_bytes(sender) == 0
    assert not simulation.server.limits.pacing.active


ENDS = {
    "half a line and the end of the stream": lambda peer, _: peer.eof_received(),
    "the end of the stream": lambda peer, _: peer.eof_received(),
    "what is no message": lambda peer, _: peer.data_received(LONG + b"x" * 300_000),
    "a reset": lambda _, transport: transport.reset(),
    "a reset behind the end of the stream": lambda peer, transport: (peer.eof_received(), transport.reset()),
    "being closed": lambda peer, _: peer.close(CloseReason.IDLE),
}


@pytest.mark.parametrize("handled", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_many_that_end_together_bring_no_reader_over_its_limit(end: str, handled: bool) -> None:
    """Their last messages wait as all others do, and their ends behind these."""
    asyncio.run(end_together(end, handled))


async def end_together(end: str, handled: bool) -> None:
    simulation = Simulation(paced=True, max_pending=LIMIT, max_message=250_000, log_messages=0, message_timeout=None)
    said: list[bytes] = []
    parted: list[int] = []
    if handled:

        @simulation.server.on_message
        def relay(message: Message) -> None:
            assert message.peer.id not in parted
            said.append(message.frame)
            message.broadcast()

        simulation.server.on_disconnect(lambda peer, reason: parted.append(peer.id))
    reader, reading = simulation.connect(room=0)
    senders = [simulation.connect() for _ in range(40)]
    half = "half" in end
    for peer, _ in senders:
        for data in (b"y" * 200_000,) if half else (LONG, LONG):
            peer.data_received(data)
    for peer, transport in senders:
        ENDS[end](peer, transport)
        simulation.loop.tick()
    whole = len(senders) * (200_001 if half else len(LONG) * (3 if "no message" in end else 2))
    for _ in range(4 * whole // 100_000):
        reading.give_room(100_000)
        simulation.loop.advance(TRICKLE_INTERVAL)
        await asyncio.sleep(0)  # inboxes have tasks
        assert reader.reason is None
    assert len(reading.sent) == whole
    assert reader.dropped == (0, 0)
    assert not simulation.server.limits.pacing.active
    for _, transport in senders:
        transport.reset()
    simulation.loop.tick()
    await asyncio.sleep(0)
    assert len(simulation.server.peers) == 1
    if handled:
        assert b"".join(said) == bytes(reading.sent)
        assert sorted(parted) == [peer.id for peer, _ in senders]


def test_a_sender_that_is_gone_stays_on_the_books_until_all_it_said_was_passed_on() -> None:
    simulation, (sender, sending), (_, reading) = begin()
    other, _ = simulation.connect()
    flood(simulation, (sender, sending))
    held = simulation.server.limits.pacing.held_bytes(sender)
    assert held > 0
    sending.reset()
    simulation.loop.tick()
    assert sender.closed
    assert sender.id in simulation.server.peers
    assert sender.incoming_bytes == held
    for _ in range(100):
        reading.give_room(100_000)
        simulation.loop.advance(TRICKLE_INTERVAL)
    assert sender.id not in simulation.server.peers
    assert sender.incoming_bytes == 0
    assert other.reason is None


def test_what_is_held_of_a_sender_that_is_gone_can_be_thrown_away() -> None:
    simulation, (sender, sending), (_, reading) = begin()
    flood(simulation, (sender, sending))
    sending.reset()
    simulation.loop.tick()
    assert sender.id in simulation.server.peers
    sender.abort(CloseReason.MEMORY)
    assert sender.id not in simulation.server.peers
    reading.give_room(1 << 40)
    simulation.loop.tick()
    assert not simulation.server.limits.pacing.active


def test_what_is_read_of_a_broken_connection_waits_behind_what_is_held() -> None:
    simulation, sender, (_, reading) = begin()
    lines = [b"%099d\n" % number for number in range(20_000)]
    peer, _ = sender
    for at in range(0, 10_000, 2500):
        peer.data_received(b"".join(lines[at : at + 2500]))
        simulation.loop.tick()
    assert simulation.server.limits.pacing.held_bytes(peer) > 0
    simulation.server.hub.unread.over.add(peer)
    peer.resume_reading(Pause.ALL & ~Pause.PACE)
    for at in range(10_000, 20_000, 2500):
        reading.give_room(300_000)
        peer.data_received(b"".join(lines[at : at + 2500]))
        simulation.loop.tick()
    peer.eof_received()
    for _ in range(100):
        reading.give_room(100_000)
        simulation.loop.advance(TRICKLE_INTERVAL)
    assert bytes(reading.sent) == b"".join(lines)


def test_what_is_held_of_one_that_was_kicked_is_for_nobody() -> None:
    simulation, (sender, _), (slow, reading) = begin()
    sender.data_received(READ * 2)
    simulation.loop.tick()
    sender.data_received(READ * 2)
    sender.abort()
    reading.give_room(1 << 40)
    simulation.loop.tick()
    assert not simulation.server.limits.pacing.active
    assert len(reading.sent) < len(READ) * 3
    assert slow.reason is None
