"""Work that is done once, in a task of its own, for all tasks that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Once:
    """Does `work` once. If a task is cancelled while it waits, the work goes on. If the work itself is cancelled, or
    fails, the next `begin` or `done` starts it again, so it must be able to go on from there.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start the work, unless it is under way or done."""
        if self._task is None or (self._task.done() and not self._over):
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def done(self) -> None:
        """Start the work, unless it is under way, and return when it is done. Raises what the work raised."""
        while not self._over:
            self.begin()
            task = self._task
            assert task is not None
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    @property
    def _over(self) -> bool:
        task = self._task
        return task is not None and task.done() and not task.cancelled() and task.exception() is None
