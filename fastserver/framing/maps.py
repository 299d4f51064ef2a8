"""MessagePack values in time linear in their bytes: no dict is made of keys that would make it slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgpack

from fastserver.compiled import COMPILED

if not TYPE_CHECKING and COMPILED:
    from fastserver.framing._crowded import crowded
else:
    from fastserver.framing.crowded import crowded

FEW: Final = 100
"""Pairs of a map up to which its keys are of no concern: each is compared with 100 others at most."""

SMALL: Final = 1024
"""Bytes of a payload up to which its keys are of no concern either: there is room for 92 timestamps."""

Pairs = list[tuple[Any, Any]]


def unpack(payload: bytes) -> Any:
    """The value of `payload`, one MessagePack object; text that is not UTF-8 has its bytes as surrogates.

    Raises ValueError where the keys of a map are `crowded`, and what `msgpack.unpackb` raises where Python cannot
    hold the value.
    """
    return unpacked(payload, as_dict)


def unpacked(payload: bytes, make: Callable[[Pairs], Any], **options: Any) -> Any:
    """The value of `payload`, its maps made by `make` at least where one might be slow as a dict.

    That is where a payload of more than `SMALL` bytes has a map of more than `FEW` pairs with keys that are not text.
    `options` are those of `msgpack.unpackb`.
    """
    options["unicode_errors"] = "surrogateescape"
    if len(payload) <= SMALL:
        return msgpack.unpackb(payload, strict_map_key=False, **options)
    try:
        return msgpack.unpackb(payload, strict_map_key=False, max_map_len=FEW, **options)
    except ValueError:  # a map has more, or it is none
        pass
    try:
        return msgpack.unpackb(payload, strict_map_key=True, **options)
    except ValueError:  # a key is neither text nor bytes, whose hashes have a secret key
        return msgpack.unpackb(payload, strict_map_key=False, object_pairs_hook=make, **options)


def as_dict(pairs: Pairs) -> dict[Any, Any]:
    """`pairs` as a dict; ValueError if there are many, and crowded."""
    if are_crowded(pairs):
        raise ValueError(f"map of {len(pairs)} pairs whose keys have the same hash, or nearly")
    return dict(pairs)


def are_crowded(pairs: Pairs) -> bool:
    """True if a dict of `pairs` would be slow; TypeError if there are many, and a key has no hash."""
    if len(pairs) <= FEW:
        return False
    return crowded([key for key, _ in pairs])
