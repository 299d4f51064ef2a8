"""A message: the twin of the compiled `Message`."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from fastserver.framing.form import Form

P = TypeVar("P")
"""The type of a message's `peer`."""

SHOWN = 60


class Message(Generic[P]):
    """A message as a handler gets it, made by `Splitter.messages`; its attributes are read-only.

    `peer` is its sender, as given to `messages`. A message keeps the frames it came with alive, and
    cuts its own bytes out of them only when asked.
    """

    __slots__ = ("_end", "_form", "_frames", "_payload", "_peer", "_start", "_value")

    _peer: P
    _frames: bytes
    _start: int
    _end: int
    _form: Form
    _payload: bytes | None
    _value: Any

    def __init__(self) -> None:
        raise TypeError("a Message is made by a splitter's messages()")

    @property
    def peer(self) -> P:
        """The sender."""
        return self._peer

    @property
    def frame(self) -> bytes:
        """Its wire form, framing included, as it came."""
        return self._frames[self._start : self._end]

    @property
    def payload(self) -> bytes:
        """Its bytes without framing."""
        if self._payload is None:
            self._payload = self._form.payload(self._frames, self._start, self._end)
        return self._payload

    @property
    def value(self) -> Any:
        """The value of a msgpack payload, decoded at the first use; of a line, the payload.

        Text that is not UTF-8, which `invalid_text` may let through, has its bytes as surrogates (the error handler
        `surrogateescape`). Raises ValueError where a map has many keys of nearly the same hash, and what
        `msgpack.unpackb` raises where Python cannot hold the value, such as a map whose key is an array.
        """
        if self._value is None:
            self._value = self._form.codec.unpack(self.payload, getattr(self._peer, "ext_hook", None))
        return self._value

    def broadcast(self) -> None:
        """Passes it on as it came, by `peer.relay(frames, start, end)`."""
        peer: Any = self._peer
        peer.relay(self._frames, self._start, self._end)

    def __repr__(self) -> str:
        shown = self.payload[:SHOWN]
        more = "" if len(self.payload) <= SHOWN else f" … of {len(self.payload)} bytes"
        return f"<Message from {self._peer!r}: {shown!r}{more}>"


def message(peer: P, frames: bytes, start: int, end: int, form: Form) -> Message[P]:
    """The message whose frame, of that form, is `frames[start:end]`."""
    made: Message[P] = Message.__new__(Message)
    made._peer = peer
    made._frames = frames
    made._start = start
    made._end = end
    made._form = form
    made._payload = None
    made._value = None
    return made
