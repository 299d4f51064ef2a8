"""Keys that make CPython's dicts slow: all of them look for their place where others are."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

import msgpack

WORD = 2**64
PRIME = 2**61 - 1  # numbers that differ by a multiple have the same hash

# Of the hash of a tuple (Objects/tupleobject.c).
P1, P2, P5 = 11400714785074694791, 14029467366897019727, 2870177450012600261


def same_hash(most: int) -> list[msgpack.Timestamp]:
    """Timestamps that all have the same hash, which is that of their seconds and nanoseconds."""
    return list(islice(_same_hash(), most))


def _same_hash() -> Iterator[msgpack.Timestamp]:
    ended = 42 - (2 ^ P5 ^ 3527539)
    for nanoseconds in count():
        between = _turned(ended * pow(P1, -1, WORD)) - nanoseconds * P2
        seconds = (_turned(between * pow(P1, -1, WORD)) - P5) * pow(P2, -1, WORD) % WORD
        if seconds < PRIME:
            yield msgpack.Timestamp(seconds, nanoseconds)


def _turned(word: int) -> int:
    word %= WORD
    return (word >> 31 | word << 33) % WORD


def one_way(most: int) -> list[int]:
    """Whole numbers of different hashes that all come upon the same row of places in a dict of `most` keys."""
    places = 8
    while 2 * places // 3 < most:
        places *= 2
    row = [1]
    while len(row) < most // 2:
        row.append((5 * row[-1] + 1) % places)
    taken, early = set(row), set(row[: most // 8])
    keys = dict.fromkeys(row)
    numbers = random.Random(1)
    while len(keys) < most:
        key = more = numbers.getrandbits(20)
        at = key % places
        while more and at in taken:
            more >>= 5
            at = (5 * at + more + 1) % places
        if at in early:
            keys[key] = None
    return list(keys)


def packed(keys: Iterable[Any], value: bytes = b"\x01") -> bytes:
    """A msgpack map of `keys`, which no dict has to hold."""
    known = [msgpack.packb(key) for key in keys]
    return msgpack.Packer().pack_map_header(len(known)) + b"".join(key + value for key in known)
