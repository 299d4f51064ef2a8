"""Work on many peers, and how much of it is done in one turn of the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.simulation import Simulation, Transport

from fastserver.peers.peer import Peer
from fastserver.peers.rounds import AT_ONCE

MANY = 3 * AT_ONCE + 50


class Turns:
    """A loop's timer that notes how many calls of something were made in the longest turn of the loop."""

    def __init__(self, simulation: Simulation, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.calls = self.longest = 0
        whole, timer = getattr(owner, name), simulation.loop.call_later

        def counted(*arguments: Any) -> Any:
            self.calls += 1
            self.longest = max(self.longest, self.calls)
            return whole(*arguments)

        def call_later(delay: float, call: Callable[..., object], *arguments: Any) -> Any:
            def turn() -> None:
                self.calls = 0
                call(*arguments)

            return timer(delay, turn)

        monkeypatch.setattr(owner, name, counted)
        monkeypatch.setattr(simulation.loop, "call_later", call_later)
        simulation.server.attach(simulation.loop)  # type: ignore[arg-type]


def crowd(simulation: Simulation, room: int = 1 << 40) -> list[tuple[Peer, Transport]]:
    return [simulation.connect(room) for _ in range(MANY)]
