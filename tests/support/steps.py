"""Things that happen in order, and waiting for them."""

from __future__ import annotations

import asyncio


class Steps:
    """Notes what happened, and lets a test wait for it."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self._more = asyncio.Event()

    def note(self, what: object) -> None:
        self.seen.append(what)
        self._more.set()

    async def until(self, count: int) -> list[object]:
        while len(self.seen) < count:
            self._more.clear()
            await self._more.wait()
        return self.seen
