"""The mix of message sizes that a load sends, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm
from typing import Final, NamedTuple

from fastserver.config.setting import GIB, MIB, Setting
from fastserver.errors import ConfigError
from fastserver.load.wire import SMALLEST, Wire

SIZE: Final = Setting(name="size", type=int, default=64, help="", unit="bytes", low=SMALLEST, high=GIB)
SHARE: Final = Setting(
    name="size", type=int, default=1, help="", form="shares of 1 to 1000, as in 64:90,1024:10", low=1, high=1000
)
LONGEST_CYCLE: Final = 1000
"""Messages after which the order of sizes begins again, at most."""
MAX_BUILT: Final = 256 * MIB
"""Bytes of writes built in advance, at most."""


@dataclass(frozen=True)
class Mix:
    """Payload sizes in bytes and their shares, as a person writes them. Raises `ConfigError`."""

    text: str

    def __post_init__(self) -> None:
        if sum(share for _, share in self.parts) > LONGEST_CYCLE:
            raise ConfigError(f"--size: {self.text!r} is not allowed; allowed are shares of {LONGEST_CYCLE} together")

    def __str__(self) -> str:
        total = sum(share for _, share in self.parts)
        if len(self.parts) == 1:
            return SIZE.show(self.parts[0][0])
        return ", ".join(f"{SIZE.show(size)} ({100 * share / total:.3g} %)" for size, share in self.parts)

    @cached_property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """Size and share of each; the shares as small as they can be."""
        parts = []
        for part in self.text.split(","):
            size, colon, share = part.partition(":")
            parts.append((int(SIZE.parse(size)), int(SHARE.parse(share)) if colon else 1))
        common = gcd(*(share for _, share in parts))
        return tuple((size, share // common) for size, share in parts)

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
        """Bytes of a message that a receiver gets, on average."""
        return sum(len(wire.deliver(wire.payload(size))) for size in self.cycle) / len(self.cycle)


class Write(NamedTuple):
    """Messages that are sent in one go, and the number of bytes that each receiver gets of them."""

    data: bytes
    delivered: int


def writes(wire: Wire, mix: Mix, batch: int) -> list[Write]:
    """The writes of `batch` messages each that a publisher sends, over and over. ValueError if that is too much."""
    order = mix.cycle * (lcm(len(mix.cycle), batch) // len(mix.cycle))
    if sum(order) > MAX_BUILT:
        raise ValueError(f"writes of {batch} messages of {mix} come to more than {MAX_BUILT // MIB} MiB")
    payloads = {size: wire.payload(size) for size in set(order)}
    sent = {size: wire.publish(payload) for size, payload in payloads.items()}
    got = {size: len(wire.deliver(payload)) for size, payload in payloads.items()}
    groups = [order[start : start + batch] for start in range(0, len(order), batch)]
    return [Write(b"".join(sent[size] for size in group), sum(got[size] for size in group)) for group in groups]
