"""Which sizes of message a load sends, and in which order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm
from typing import Final, NamedTuple

from fastserver.load.wire import SMALLEST, Wire
from fastserver.setting import GIB, MIB

FORM: Final = f"{SMALLEST} B to 1 GiB, or several of them with their shares, such as 64:90,1024:10"
LONGEST: Final = 1000
"""Messages after which the order of sizes begins again, at most."""
ROOM: Final = 256 * MIB
"""Bytes of writes built in advance, at most."""

_PART = re.compile(r"(?P<size>\d{1,10})(?:(?P<unit>[kmg])(?:i?b)?|b)?(?::(?P<share>\d{1,10}))?", re.IGNORECASE)
_UNITS: Final = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class Mix:
    """Payload sizes in bytes and their shares, as a person writes them. ValueError if `text` says none."""

    text: str

    def __post_init__(self) -> None:
        if not all(SMALLEST <= size <= GIB and share for size, share in self.parts):
            raise ValueError("each size has bounds, and a share of at least 1")
        if sum(share for _, share in self.parts) > LONGEST:
            raise ValueError(f"the shares add up to more than {LONGEST}")

    def __str__(self) -> str:
        total = sum(share for _, share in self.parts)
        if len(self.parts) == 1:
            return f"{self.parts[0][0]} B"
        return ", ".join(f"{100 * share / total:.3g} % {size} B" for size, share in self.parts)

    @cached_property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """Size and share of each; the shares as small as they can be."""
        matches = [_PART.fullmatch("".join(part.split())) for part in self.text.split(",")]
        found = [(match["size"], match["unit"], match["share"]) for match in matches if match]
        if len(found) < len(matches):
            raise ValueError("that is no size")
        common = gcd(*(int(share or 1) for _, _, share in found)) or 1
        return tuple(
            (int(size) * _UNITS.get((unit or "").lower(), 1), int(share or 1) // common) for size, unit, share in found
        )

    @cached_property
    def cycle(self) -> tuple[int, ...]:
        """The sizes in the order in which a publisher sends them, over and over; each spread evenly."""
        total = sum(share for _, share in self.parts)
        credit = [0] * len(self.parts)
        order = []
        for _ in range(total):
            credit = [held + share for held, (_, share) in zip(credit, self.parts, strict=True)]
            turn = credit.index(max(credit))
            credit[turn] -= total
            order.append(self.parts[turn][0])
        return tuple(order)

    def delivered(self, wire: Wire) -> float:
        """How many bytes of a message a receiver gets, on average."""
        return sum(len(wire.deliver(wire.payload(size))) for size in self.cycle) / len(self.cycle)


class Write(NamedTuple):
    """What is sent in one go, and how many bytes of it each receiver gets."""

    data: bytes
    delivered: int


def writes(wire: Wire, mix: Mix, batch: int) -> list[Write]:
    """The writes of `batch` messages each that a publisher sends, over and over. ValueError if that is too much."""
    order = mix.cycle * (lcm(len(mix.cycle), batch) // len(mix.cycle))
    if sum(order) > ROOM:
        raise ValueError(f"writes of {batch} messages of {mix} come to more than {ROOM // MIB} MiB")
    payloads = {size: wire.payload(size) for size in set(order)}
    sent = {size: wire.publish(payload) for size, payload in payloads.items()}
    got = {size: len(wire.deliver(payload)) for size, payload in payloads.items()}
    groups = [order[start : start + batch] for start in range(0, len(order), batch)]
    return [Write(b"".join(sent[size] for size in group), sum(got[size] for size in group)) for group in groups]
