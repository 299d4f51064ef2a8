"""The contract of framings: complete frames out of a byte stream, values out of frames, and the way back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from fastserver.errors import FrameError
from fastserver.framing import http
from fastserver.framing.arguments import UNLIMITED
from fastserver.framing.codec import Codec

if TYPE_CHECKING:
    from fastserver.framing.message import P
    from fastserver.framing.messages import Messages


class Splitter(Protocol):
    """Takes the bytes of one stream as they arrive, gives back the complete frames. It knows no sockets."""

    @property
    def count(self) -> int:
        """Number of frames the last `feed` or `finish` gave; 0 if it raised."""

    @property
    def held(self) -> int:
        """Bytes kept of the frame that is not complete; at most the limit and the framing around it."""

    @property
    def skipped(self) -> int:
        """Number of messages the last `feed` left out of its result; 0 unless something is to be skipped."""

    @property
    def fault(self) -> FrameError | None:
        """The reason why the first of those was left out."""

    def feed(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Takes the next bytes of the stream, gives every frame they complete, as the framing writes it, `b""` if none.

        Exact `bytes` that begin and end where frames do, all as they are written, come back as the same object.

        Raises FrameError at the first byte after which no frame can come of what is held: `saw`, `offset`
        and `limit` depend on the stream alone, not on its cuts; `frames` and `count` are what `data`
        completed before it. From then on every call of `feed` and `finish` raises it, without frames.
        """

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the bytes held as a frame if they can be one (lines), `b""` if there are
        none.

        Raises FrameError if the stream ended inside a frame.
        """

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """A message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative.

        `frames` is a result of `feed`, `start` where a frame begins; ValueError if it does not end where one ends.
        """

    def frame(self, payload: bytes | bytearray | memoryview, /) -> bytes:
        """`payload` in wire form. ValueError, which says what, where and the limit, if it cannot be a message;
        TypeError if it is not bytes-like.
        """


class MakeSplitter(Protocol):
    """Makes a splitter."""

    def __call__(self, max_message: int, invalid_text: str = "close", oversize: str = "close") -> Splitter:
        """A new splitter for payloads of at most `max_message` bytes (1 or more).

        `invalid_text` decides about a msgpack message with a str that is not UTF-8: `close` refuses it, `skip`
        leaves it out, and one with a malformed timestamp too, `pass` gives it as it is. `oversize` decides about a
        message over the limit: `close` refuses it, `skip` leaves it out, and holds nothing of it. ValueError for
        anything else.
        """


class AnsweringSplitter(Splitter, Protocol):
    """A splitter of a framing that `answers`."""

    def answer(self) -> bytes:
        """Takes what is to be sent back to the peer for what was fed, between two frames; `b""` if there is nothing.

        It is no frame, and a splitter that is fed it gives none. What was not taken waits: however much is fed, its
        size has a bound.
        """


class Framing:
    """A framing: how frames lie in a byte stream, and how payloads become values. `registry.framing` gives them.

    `name` is its word, with parameters that are not the default ones. `splitter(max_message, invalid_text, oversize)`
    makes the splitter of what a peer sends; it gives frames in the one form in which the framing is written, and
    `written` makes splitters that read that form, where not the same ones. `typed` is the codec's. `request` matches
    frames that begin as an HTTP request does; None if no request is a message. `escape` is for payloads that come from
    another framing: it gives bytes that this one can hold. Splitters of a framing that `answers` are
    `AnsweringSplitter`s; those of one that `skips` leave out bytes whatever they are told.
    """

    __slots__ = ("_framer", "_request", "answers", "codec", "escape", "name", "skips", "splitter", "typed", "written")

    def __init__(
        self,
        name: str,
        splitter: MakeSplitter,
        codec: Codec,
        request: re.Pattern[bytes] | None = None,
        escape: Callable[[bytes], bytes] = bytes,
        *,
        written: MakeSplitter | None = None,
        answers: bool = False,
        skips: bool = False,
    ) -> None:
        self.name = name
        self.splitter = splitter
        self.written = written or splitter
        self.codec = codec
        self.typed = codec.typed
        self.escape = escape
        self.answers = answers
        self.skips = skips
        self._request = request
        self._framer = self.written(UNLIMITED, "pass")

    def __repr__(self) -> str:
        return f"<Framing {self.name}>"

    def resplitter(self) -> Splitter:
        """A new splitter for frames that a splitter gave, or `frame`: without a limit, whatever their text. It gives
        them back as they are.
        """
        return self.written(UNLIMITED, "pass")

    def frame(self, payload: bytes | bytearray | memoryview) -> bytes:
        """`payload` in wire form, whatever its size: `written(limit).frame` has a limit.

        Raises ValueError if it cannot be a message, TypeError if it is not bytes-like.
        """
        return self._framer.frame(payload)

    def pack(self, value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
        """The payload that stands for `value`: see `Codec.pack`."""
        return self.codec.pack(value, default)

    def unpack(self, payload: bytes, ext_hook: Callable[[int, bytes], Any] | None = None) -> Any:
        """The value that `payload` stands for: see `Codec.unpack`."""
        return self.codec.unpack(payload, ext_hook)

    def show(self, payload: bytes, most: int | None = None) -> str:
        """`payload` as text for the log or a terminal: see `Codec.show`."""
        return self.codec.show(payload, most)

    def texts(self, frames: bytes, count: int, most: int) -> Iterator[tuple[str, int]]:
        """The first `count` messages of `frames` (complete): each as `show` shows it, and the bytes of its frame."""
        for message in self._framer.messages(frames, None, count):
            yield self.codec.show(message.payload, most), len(message.frame)

    def parse(self, text: str) -> Any:
        """The value that a person means by `text`: see `Codec.parse`."""
        return self.codec.parse(text)

    def messages(self, frames: bytes, peer: P, most: int = -1, start: int = 0) -> Messages[P]:
        """A message per frame of `frames[start:]`, whatever their size: see `Splitter.messages`."""
        return self._framer.messages(frames, peer, most, start)

    def is_request(self, frames: bytes) -> bool:
        """True if `frames`, the first of a stream, begin as an HTTP request does."""
        return self._request is not None and self._request.match(frames) is not None

    def begins_request(self, data: bytes) -> bool:
        """True if `data`, the first bytes of a stream, begin as an HTTP request does, of which some may be skipped: its
        first line may be too long, or lie outside of messages.
        """
        return self.is_request(data) or (b"\n" not in data and http.BYTES.match(data) is not None)
