"""Frames of one framing as frames of another: pure functions, for peers of different framings that talk to each other.

| from | to | becomes |
|---|---|---|
| any | the same framing | itself, byte for byte |
| bytes | bytes | the same bytes, escaped if the target's `escape` does so: LF as `\\n`, CR as `\\r` |
| bytes | msgpack | a `str` if it is UTF-8, else a `bin`; or the value of JSON, if the target's codec `parses` |
| msgpack `str`, `bin` | bytes | its bytes |
| any other msgpack object | bytes | compact JSON, as `jsontext` has it |
| msgpack | msgpack | the same object |

A message whose translation is longer than the limit, or which the target cannot hold, is left out and counted, never
cut.
"""

from __future__ import annotations

from typing import NamedTuple

from fastserver.framing.framing import Framing


class Translation(NamedTuple):
    """The frames that come of some frames, the number of messages in them, and of those that have no translation."""

    frames: bytes
    messages: int
    untranslatable: int


def translate(source: Framing, target: Framing, frames: bytes, count: int, limit: int) -> Translation:
    """`frames`, complete, `count` of them, of the framing `source`, as frames of `target`, in the same order.

    `limit` is how many bytes a translated payload may have.
    """
    if source is target:
        return Translation(frames, count, 0)
    translated = []
    for message in source.messages(frames, None).one_by_one():
        try:
            payload = _payload(source, target, message.payload, limit)
            if len(payload) <= limit:
                translated.append(target.frame(payload))
        except ValueError:  # longer than a str, a bin or a frame can be
            pass
    return Translation(b"".join(translated), len(translated), count - len(translated))


def _payload(source: Framing, target: Framing, payload: bytes, limit: int) -> bytes:
    if source.typed and not target.typed:
        payload = source.codec.to_bytes(payload, limit)
    elif target.typed and not source.typed:
        payload = target.codec.from_bytes(payload)
    return payload if target.typed else target.escape(payload)
