"""The wires of our own framings."""

from __future__ import annotations

import pickle

import pytest
from support.samples import SAMPLES

from fastserver.framing import FRAMINGS
from fastserver.framing.registry import framing
from fastserver.load.stamp import stamp
from fastserver.load.wire import SMALLEST, WIRES, framing_wire

SHORT = [SMALLEST, 10, 64, 200, 250]
"""Sizes of payloads that every framing can have."""
SIZES = [*SHORT, 257, 258, 259, 260, 65_537, 65_538, 65_539, 70_000]


def holds(mode: str, size: int) -> bool:
    """True if a message of that framing can have so many bytes: a length of few bytes does not tell all sizes."""
    wire = framing_wire(mode)
    try:
        return bool(wire.publish(wire.payload(size)))
    except ValueError:
        return False


def test_each_framing_has_a_wire_by_the_same_name() -> None:
    assert list(WIRES) == list(FRAMINGS)
    assert [wire.name for wire in WIRES.values()] == list(FRAMINGS)


def test_short_payloads_have_a_form_in_each_framing() -> None:
    assert [(mode, size) for mode in SAMPLES for size in SHORT if not holds(mode, size)] == []


@pytest.mark.parametrize(("mode", "size"), [(mode, size) for mode in SAMPLES for size in SIZES if holds(mode, size)])
def test_payloads_are_legal_and_of_that_size(mode: str, size: int) -> None:
    """The server takes them, and limits them by the same size."""
    wire = pickle.loads(pickle.dumps(framing_wire(mode)))
    payload = wire.payload(size, b"stamp!")
    assert len(payload) == size
    assert payload.endswith(b"stamp!")
    splitter = framing(mode).splitter(size)
    frame = wire.publish(payload)
    assert splitter.feed(frame * 2) == frame * 2 == wire.deliver(payload) * 2
    assert [message.payload for message in splitter.messages(frame * 2, None)] == [payload] * 2


@pytest.mark.parametrize("mode", SAMPLES)
def test_streams_are_cut_into_payloads(mode: str) -> None:
    wire = framing_wire(mode)
    payloads = [wire.payload(size, stamp(size)) for size in SHORT]
    stream = b"".join(wire.deliver(payload) for payload in payloads)
    cut = wire.cut()
    assert [payload for place in range(len(stream)) for payload in cut(stream[place : place + 1])] == payloads
