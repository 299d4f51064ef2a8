"""The frames of messages that are bytes, in each mode, and how a test reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgpack
from support.wireforms import WIRE_FORMS, becomes

from fastserver.framing import FRAMINGS

MODES = ("lines", "msgpack", "msgpack-stream")
LIMIT = 1 << 20


def frames_of(mode: str, payload: bytes) -> dict[str, bytes]:
    """The frames, by mode, that peers get of a message which is sent in `mode`: `payload` as a line, or as a binary
    object.
    """
    if FRAMINGS[mode].typed:
        payload = msgpack.packb(payload)
        frame = WIRE_FORMS[mode].frame(payload)
    else:
        frame, payload = payload + b"\n", payload.removesuffix(b"\r")
    assert frame is not None
    frames = {target: becomes(mode, target, payload, frame, LIMIT) for target in MODES}
    return {target: frame for target, frame in frames.items() if frame is not None}


def read_messages(mode: str, stream: bytes) -> Iterator[tuple[bytes, Any]]:
    """Each message that is whole in `stream`: its frame, and its payload as bytes; of a notice, what it says."""
    framing = FRAMINGS[mode]
    for message in framing.messages(framing.resplitter().feed(stream), None).one_by_one():
        value = framing.unpack(message.payload)
        if isinstance(value, str):
            value = value.encode()
        elif isinstance(value, bytes) and value[:1] == b"{":
            value = json.loads(value)
        yield message.frame, value
