"""The framings by name, each with its splitter: the compiled one, or its Python twin (see `fastserver.compiled`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from fastserver.compiled import COMPILED
from fastserver.errors import FrameError

__all__ = ["COMPILED", "FRAMINGS", "Framing", "Message", "Messages", "Splitter", "crowded"]

if TYPE_CHECKING:
    from fastserver.framing.message import P

if not TYPE_CHECKING and COMPILED:
    from fastserver.framing._splitters import (
        LinesSplitter,
        Message,
        Messages,
        MsgpackSplitter,
        MsgpackStreamSplitter,
        crowded,
    )
else:
    from fastserver.framing.crowded import crowded
    from fastserver.framing.lines import LinesSplitter
    from fastserver.framing.message import Message
    from fastserver.framing.messages import Messages
    from fastserver.framing.msgpack import MsgpackSplitter
    from fastserver.framing.msgpack_stream import MsgpackStreamSplitter


class Splitter(Protocol):
    """Takes the bytes of one stream as they arrive, gives back the complete frames. It knows no sockets."""

    @property
    def count(self) -> int:
        """How many frames the last `feed` or `finish` gave; 0 if it raised."""

    @property
    def held(self) -> int:
        """Bytes kept of the one frame that is not complete; at most the limit and the framing around it."""

    @property
    def skipped(self) -> int:
        """How many messages the last `feed` left out of what it gave; 0 unless `invalid_text` is `skip`."""

    @property
    def fault(self) -> FrameError | None:
        """What was wrong with the first of them."""

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Takes the next bytes of the stream, gives every frame they complete, in wire form, `b""` if none.

        Exact `bytes` that begin and end where frames do come back as the same object.

        Raises FrameError at the first byte after which no frame can come of what is held: `saw`, `offset`
        and `limit` depend on the stream alone, not on its cuts; `frames` and `count` are what `data`
        completed before it. From then on every call of `feed` and `finish` raises it, without frames.
        """

    def finish(self) -> bytes:
        """The stream ended: what is held as a frame if that can be one (lines), `b""` if nothing is held.

        Raises FrameError if it ended inside a frame.
        """

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """One message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative.

        `frames` is what `feed` gave, `start` where a frame begins; ValueError if it does not end where one ends.
        """

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload` in wire form; ValueError, which says what, where and the limit, if it cannot be one."""


class MakeSplitter(Protocol):
    """Makes a splitter."""

    def __call__(self, max_message: int, invalid_text: str = "close") -> Splitter:
        """One for payloads of at most `max_message` bytes (1 or more).

        `invalid_text` is what becomes of a msgpack message with a str that is not UTF-8: `close` refuses it, `skip`
        leaves it out, and one with a malformed timestamp too, `pass` gives it as it is. ValueError for anything else.
        """


class Framing(NamedTuple):
    """How frames lie in a byte stream."""

    name: str
    splitter: MakeSplitter
    compiled: bool


FRAMINGS: dict[str, Framing] = {
    name: Framing(name, splitter, COMPILED)
    for name, splitter in (
        ("lines", LinesSplitter),
        ("msgpack", MsgpackSplitter),
        ("msgpack-stream", MsgpackStreamSplitter),
    )
}
"""Every framing by its name, the default first."""
