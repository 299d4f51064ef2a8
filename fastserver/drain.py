"""The end of a server: nothing is accepted or received any more, and peers take what is pending, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from logging import INFO, WARNING
from typing import TYPE_CHECKING, NoReturn

from fastserver.errors import CloseReason
from fastserver.handlers.inbox import HANDLING
from fastserver.once import Once
from fastserver.peers.closing import CLOSE_TIMEOUT

if TYPE_CHECKING:
    from fastserver.access.door import Door
    from fastserver.clock import Clock
    from fastserver.handlers.handlers import Handlers
    from fastserver.log.log import Log
    from fastserver.peers.peermap import PeerMap


class Drain:
    """Ends a server, once. Peers have `timeout` seconds to take what is pending.

    `stop_accepting` and `pass_on_held`, which passes on the messages that are held back, are called at the beginning;
    `finish` when all peers are gone and all handlers have ended.
    """

    def __init__(
        self,
        timeout: float,
        *,
        clock: Clock,
        log: Log,
        peers: PeerMap,
        handlers: Handlers,
        door: Door,
        stop_accepting: Callable[[], object],
        pass_on_held: Callable[[], object],
        finish: Callable[[], object],
    ) -> None:
        self.begun = False
        """Nothing is accepted or received any more."""
        self._timeout = timeout
        self._clock = clock
        self._log = log
        self._peers = peers
        self._handlers = handlers
        self._door = door
        self._stop_accepting = stop_accepting
        self._pass_on_held = pass_on_held
        self._finish = finish
        self._until = 0.0  # loop time
        self._peers_gone = Once(self._drain_peers)
        self._whole = Once(self._end)
        self._waiting = 0  # tasks that wait for the end, and are told why it came
        self._cause: BaseException | None = None
        self._over = asyncio.Event()

    @property
    def over(self) -> bool:
        """The server has stopped."""
        return self._over.is_set()

    def begin(self, cause: BaseException | None = None) -> None:
        """End the server, if that has not begun. `cause` is an exception that a handler raised to end the program."""
        self._cause = self._cause or cause
        if not self.begun:
            self.begun = True
            self._until = self._clock.time() + self._timeout
            if self._peers:
                self._log.line(
                    INFO,
                    "draining %(peers)d peers, at most %(timeout)g s",
                    peers=len(self._peers),
                    timeout=self._timeout,
                )
            self._door.shut = True
            self._stop_accepting()
            for peer in self._peers:
                peer.deafen(CloseReason.SHUTDOWN)
            self._pass_on_held()
        self._whole.begin()

    async def done(self) -> None:
        """Return when all is over; called by a handler, when all peers are gone and all other handlers have ended."""
        inbox = HANDLING.get(None)
        if inbox is not None and inbox.handlers is self._handlers:
            self._handlers.stops(inbox)
            await self._peers_gone.done()
        else:
            await self._whole.done()

    async def wait(self) -> None:
        """Return when all is over, whoever began it. Raises the cause, if there is one."""
        self._waiting += 1
        try:
            await self._over.wait()
        finally:
            self._waiting -= 1
        if self._cause is not None:
            raise self._cause

    async def _end(self) -> None:
        await self._peers_gone.done()
        # Disconnect handlers have a moment even where peers took all the time.
        await self._end_handlers(self._moment())
        self._finish()
        self._over.set()
        if self._cause is not None and not self._waiting:
            self._clock.call_soon(_raise, self._cause)

    async def _drain_peers(self) -> None:
        await self._end_handlers(self._until)
        for peer in self._peers:
            try:
                peer.close(CloseReason.SHUTDOWN, max(0.0, self._until - self._clock.time()))
            except Exception as error:  # the others are to be closed all the same
                self._log.failure("closing peer %(id)d failed: %(error)s", error, id=peer.id)
                peer.abort(CloseReason.SHUTDOWN)
        while self._peers:
            self._door.emptied.clear()
            await self._door.emptied.wait()
        await self._end_handlers(self._moment())
        self._handlers.stopping.clear()

    def _moment(self) -> float:
        return max(self._until, self._clock.time() + CLOSE_TIMEOUT)

    async def _end_handlers(self, deadline: float) -> None:
        """Wait for async handlers until `deadline` (loop time); those that take longer are cancelled."""
        if await self._handlers.done(max(0.0, deadline - self._clock.time())):
            return
        self._handlers.cancel()
        if not await self._handlers.done(CLOSE_TIMEOUT):
            self._log.line(WARNING, "handlers still run although they were cancelled: not waiting for them")
            self._handlers.give_up()


def _raise(error: BaseException) -> NoReturn:
    raise error
