"""MessagePack objects as compact JSON text, and JSON text as MessagePack objects: what the compiled transcoder does."""

from __future__ import annotations

import msgpack

from fastserver.framing.jsontext import JsonText, decode
from fastserver.framing.jsonvalue import from_json


def json_of(payload: bytes, limit: int) -> bytes:
    """The compact JSON text of `payload`, one well-formed MessagePack object: see `jsontext`.

    Raises ValueError if the text is longer than `limit` (bytes). Pairs of maps count toward that even if later ones
    with the same key replace them, so that nothing has to be written beyond it.
    """
    writer = JsonText(compact=True)
    text = writer.of(decode(payload)).encode()
    if len(text) + writer.overwritten > limit:
        raise ValueError(f"JSON text of more than {limit} bytes")
    return text


def object_of(text: bytes) -> bytes:
    """The MessagePack object that `text`, UTF-8, stands for: see `jsonvalue`.

    Raises ValueError if that is not exactly one JSON value, or one that MessagePack cannot hold.
    """
    packed: bytes = msgpack.packb(from_json(text.decode()))
    return packed
