"""Keys that would make a dict slow, found before a dict is made of them.

CPython's hashes of numbers, tuples and timestamps are known to everyone, so keys can be chosen that all look for their
place where others are already: each then takes as many steps as there are keys. Hashes of text and bytes have a secret
key. The steps of a dict (CPython, Objects/dictobject.c) are counted here with the hashes alone, up to a bound.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable

STEPS = 100  # for each key; orderly keys, such as multiples of a power of two, take up to 30
COMPARISON = 16  # steps: what a comparison of two keys may take, which is made where their hashes are the same
SMALLEST = 8  # places of a new dict
SHIFT = 5  # bits of the hash that come into play with each step
WIDTH = 2**sys.hash_info.width - 1


def crowded(keys: list[Hashable]) -> bool:
    """True if putting `keys` into a dict takes more than `STEPS` steps for each. TypeError if one has no hash."""
    left = STEPS * len(keys)
    hashes: list[int] = []
    distinct: list[Hashable] = []
    table = [-1] * SMALLEST
    for key in keys:
        number = hash(key)
        if len(hashes) == 2 * len(table) // 3:
            table = [-1] * (2 * len(table))
            for index, other in enumerate(hashes):
                at, steps = _free(table, other, left)
                left -= steps
                if left < 0:
                    return True
                table[at] = index
        mask = len(table) - 1
        at, more = number & mask, number & WIDTH
        while (there := table[at]) >= 0:
            left -= 1
            if hashes[there] == number:
                if distinct[there] == key:
                    break
                left -= COMPARISON
            if left < 0:
                return True
            more >>= SHIFT
            at = (5 * at + more + 1) & mask
        else:
            table[at] = len(hashes)
            hashes.append(number)
            distinct.append(key)
    return False


def _free(table: list[int], number: int, most: int) -> tuple[int, int]:
    """The first free place for the hash `number`, and the steps to it; the search ends after `most` steps."""
    mask = len(table) - 1
    at, more = number & mask, number & WIDTH
    steps = 0
    while table[at] >= 0 and steps <= most:
        steps += 1
        more >>= SHIFT
        at = (5 * at + more + 1) & mask
    return at, steps
