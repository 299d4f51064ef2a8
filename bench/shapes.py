"""The shapes of the loads, senders and receivers, each named by its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contest import LOAD, Running

from fastserver.client.address import Address
from fastserver.load.plan import Plan


@dataclass(frozen=True)
class Shape:
    """A shape: one sender to `peers` others (`fanout`), or each of `peers` to all the others (`all-to-all`).

    A message has a payload of `size` bytes; a sender writes `batch` of them at once.
    """

    kind: str
    size: int
    peers: int
    batch: int = 1

    def __str__(self) -> str:
        who = f"1x{self.peers}" if self.kind == "fanout" else str(self.peers)
        return f"{self.kind}[{self.size}B-{who}{f'-{self.batch}' if self.batch > 1 else ''}]"

    @property
    def connections(self) -> int:
        """Connections to the server at a time, the prober's included."""
        return self.peers + 2

    def plan(self, server: Running, **more: Any) -> Plan:
        """The load of this shape on `server`; `more` are further settings of it."""
        everyone: dict[str, Any] = (
            {"all_to_all": self.peers} if self.kind == "all-to-all" else {"subscribers": self.peers}
        )
        return Plan(
            Address(*server.address),
            server.wire,
            size=str(self.size),
            batch=self.batch,
            check=None,
            processes=1,
            pid=server.process.pid,
            processors=LOAD,
            **everyone,
            **more,
        )


FANOUT = [Shape("fanout", size, peers) for size in (16, 64, 1024, 16384) for peers in (1, 10, 100, 1000)]
"""A message in each write: the cost of waking up for it, and of writing it to each."""
BATCHES = [Shape("fanout", 64, peers, batch) for batch in (16, 256) for peers in (1, 10, 100, 1000)]
"""Several messages in each write, as they arrive from a busy sender."""
ALL_TO_ALL = [Shape("all-to-all", 64, peers, batch) for batch in (1, 16) for peers in (20, 100, 300)]
