"""The wires of our own framings."""

from __future__ import annotations

import pickle

import pytest

from fastserver.framing import FRAMINGS
from fastserver.load.stamp import stamp
from fastserver.load.wire import SMALLEST, WIRES

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
