"""A map as its pairs, for maps of which no dict is made: any key will do, and its hash is of no concern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


class Pairs(dict[Any, Any]):
    """A map as its pairs, in their order: a dict as far as `msgpack.packb` and this room need."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        super().__init__()
        self._pairs = list(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._pairs)

    def items(self) -> list[tuple[Any, Any]]:  # type: ignore[override]
        return self._pairs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and self._pairs == list(other.items())

    def __repr__(self) -> str:
        return f"Pairs({self._pairs!r})"
