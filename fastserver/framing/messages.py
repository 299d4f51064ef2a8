"""Several messages: the twin of the compiled `Messages`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, overload

from fastserver.framing.form import Form
from fastserver.framing.message import Message, P, message


class Messages(Sequence[Message[P]], Generic[P]):
    """The messages of some frames, made by `Splitter.messages`: a sequence that makes them when first looked into."""

    __slots__ = ("_ends", "_form", "_frames", "_made", "_peer", "_start")

    _peer: P
    _frames: bytes
    _start: int
    _ends: list[int]
    _form: Form
    _made: list[Message[P]] | None

    def __init__(self) -> None:
        raise TypeError("Messages are made by a splitter's messages()")

    @property
    def end(self) -> int:
        """End of the last message in the frames, in bytes."""
        return self._ends[-1] if self._ends else self._start

    def one_by_one(self) -> Iterator[Message[P]]:
        """Gives each once, in order, and keeps none: less work than iteration where they are not needed again."""
        start = self._start
        for end in self._ends:
            yield message(self._peer, self._frames, start, end, self._form)
            start = end

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Message[P]]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> Message[P]: ...

    @overload
    def __getitem__(self, index: slice) -> list[Message[P]]: ...

    def __getitem__(self, index: int | slice) -> Message[P] | list[Message[P]]:
        return self._all()[index]

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> list[Message[P]]:
        if self._made is None:
            self._made = list(self.one_by_one())
        return self._made


def messages_of(
    frames: bytes, peer: P, most: int, start: int, form: Form, end_of: Callable[[int], int | None]
) -> Messages[P]:
    """A message per frame of `frames[start:]`, of that form, from `peer`; the first `most` if that is not negative.

    `end_of` gives where the frame ends that begins at a place, None if it does not. Raises ValueError if one does not.
    """
    if start < 0:
        raise ValueError(f"frames cannot start at {start}")
    ends: list[int] = []
    at = start
    while at < len(frames) and len(ends) != most:
        end = end_of(at)
        if end is None:
            raise ValueError("frames do not end where a frame ends")
        ends.append(end)
        at = end
    made: Messages[P] = Messages.__new__(Messages)
    made._peer = peer
    made._frames = frames
    made._start = start
    made._ends = ends
    made._form = form
    made._made = None
    return made
