"""Parts: bytes that are written one after another, cut out of larger ones without copies; and frames, cut between
messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastserver.framing.framing import Splitter

Part = bytes | memoryview


def whole(blob: bytes, start: int, at_least: int, splitter: Callable[[], Splitter]) -> tuple[int, int]:
    """The fewest messages of `blob` from `start` on that have `at_least` bytes: their bytes, and how many there are."""
    found = splitter()
    size = len(found.feed(memoryview(blob)[start : start + at_least]))
    count = found.count
    if size < at_least:
        size, count = splitter().messages(blob, None, 1, start + size).end - start, count + 1
    return size, count


def cut(view: memoryview, start: int, ranges: Iterable[tuple[int, int, int]]) -> list[memoryview]:
    """The parts of `view` from `start` on without `ranges` (start, end, messages; ascending)."""
    parts = []
    for first, last, _ in ranges:
        if first > start:
            parts.append(view[start:first])
        start = last
    if start < len(view):
        parts.append(view[start:])
    return parts


def past(parts: Iterable[Part], size: int) -> list[Part]:
    """The rest of `parts` behind their first `size` bytes."""
    left: list[Part] = []
    for part in parts:
        if size < len(part):
            left.append(memoryview(part)[size:] if size else part)
        size = max(0, size - len(part))
    return left
