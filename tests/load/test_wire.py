"""The wires of our own framings, and pings, which any wire may have."""

from __future__ import annotations

import pickle
import socket

import pytest
from support.load_servers import GreetedWire

from fastserver.framing import FRAMINGS
from fastserver.load.link import Link
from fastserver.load.stamp import LENGTH, MOST, stamp, stamped
from fastserver.load.wire import SMALLEST, WIRES, Role

SIZES = [SMALLEST, 9, 64, 257, 258, 259, 260, 65_537, 65_538, 65_539, 70_000]


def test_each_framing_has_a_wire() -> None:
    assert list(WIRES) == list(FRAMINGS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", WIRES)
def test_payloads_are_legal_and_of_that_size(mode: str, size: int) -> None:
    """The server takes them, and limits them by the same size."""
    wire = pickle.loads(pickle.dumps(WIRES[mode]))
    payload = wire.payload(size, b"stamp!")
    assert len(payload) == size
    assert payload.endswith(b"stamp!")
    splitter = FRAMINGS[mode].splitter(size)
    frame = wire.publish(payload)
    assert splitter.feed(frame * 2) == frame * 2 == wire.deliver(payload) * 2
    assert [message.payload for message in splitter.messages(frame * 2, None)] == [payload] * 2


@pytest.mark.parametrize("mode", WIRES)
def test_streams_are_cut_into_payloads(mode: str) -> None:
    wire = WIRES[mode]
    payloads = [wire.payload(size, stamp(size)) for size in SIZES[:5]]
    stream = b"".join(wire.deliver(payload) for payload in payloads)
    cut = wire.cut()
    assert [payload for place in range(len(stream)) for payload in cut(stream[place : place + 1])] == payloads


def test_stamps() -> None:
    for number in (0, 1, 35, 36, 123_456_789, MOST - 1):
        assert len(stamp(number)) == LENGTH
        assert stamped(b"anything" + stamp(number)) == number
    for wrong in (b"", b"00001", b"+00001", b" 00001", b"00_001", b"00000A", b"00001\xc3"):
        assert stamped(wrong) == -1


def test_pings_however_they_are_cut() -> None:
    """They are taken out and answered, what only begins like one stays."""
    stream = b"PING\r\nMSG 1 a\nPING\r\nPING\r\nMSG 4 PING\nPI\nPING\r\nMSG 1 b\n"
    for size in (1, 2, 3, 5, 100):
        ours, theirs = socket.socketpair()
        link = Link((socket.AF_UNIX, ""), 0, Role.RECEIVE, GreetedWire())
        link.socket.close()
        link.socket = ours
        parts = [link.without_pings(stream[place : place + size]) for place in range(0, len(stream), size)]
        assert b"".join(parts) == stream.replace(b"PING\r\n", b"")
        ours.close()
        assert theirs.makefile("rb").read() == b"PONG\n" * 4
        theirs.close()
