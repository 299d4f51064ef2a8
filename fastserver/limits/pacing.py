"""Pacing: senders are slowed to the speed of readers, while these go on taking, so that no policy has to act.

Rules:
- Senders are slowed for readers that are behind but moving, each within its budget (see readers.py).
- Bytes count, of all senders together. What is published may not bring the first of those readers over its target: half
  its limit (under `block` its limit, since senders then wait anyway). Beyond, a trickle passes, so that the others get
  something in each interval; it leaves room enough that no limit is passed as long as anyone is waited for.
- Messages beyond that are held back before anyone gets them, and their sender is paused; both go on in turn, as soon
  as a reader that is waited for makes room. A read is cut between messages, so that no more passes than may. Messages
  for handlers wait in the inbox of their sender.
- The end of a sender waits behind what is held of it, however that end came about. A last line that the end of the
  stream makes whole is held like any other.

`Tick.hold_at` is the least due of the readers, or what trickles beyond it (see trickle.py); below it a read costs one
comparison.
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from fastserver.errors import UNHEARD
from fastserver.fanout.pause import Pause
from fastserver.fanout.reads import READ_SIZE
from fastserver.fanout.tick import NEVER
from fastserver.limits.heldback import HeldBack
from fastserver.limits.readers import Readers
from fastserver.limits.trickle import Trickle

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.fanout.tick import Tick
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer

RELEASED_AT_ONCE: Final = 1024 * 1024
"""Bytes of held messages passed on in one turn of the loop."""


class Pacing:
    """The senders that are held back: a brake while any reader is waited for.

    `receive` takes frames (complete, so many messages) of a peer that may be passed on.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        log: Log,
        tick: Tick,
        receive: Callable[[Peer, bytes, int], object],
    ) -> None:
        target = config.max_pending if config.slow_consumer == "block" else config.max_pending // 2
        self.readers = Readers(config, target, clock=clock, log=log, tick=tick)
        self._trickle = Trickle(clock=clock, tick=tick, readers=self.readers, ended=self._interval_ended)
        self._clock = clock
        self._tick = tick
        self._receive = receive
        self._paused: OrderedDict[Peer, HeldBack] = OrderedDict()  # senders, in the order of their turn
        self._turns: OrderedDict[Peer, asyncio.Future[None]] = OrderedDict()  # of the inboxes that wait, likewise
        self._called: set[Peer] = set()  # senders that had their turn and were not read since
        self._over = False  # whether nobody waits any more
        self._releasing = False
        self._will_release = False

    @property
    def active(self) -> bool:
        """True if anything is held back, or anyone paused, because of a reader that is behind."""
        return bool(self._paused or self._turns)

    # Readers.

    def watch(self, peer: Peer) -> None:
        """Wait for `peer`, which is behind and has just taken something, unless its budget is spent."""
        if self.readers.moved(peer):
            self._release_soon()
        elif self.readers.add(peer):
            if self not in self._tick.brakes:
                self._tick.brakes.append(self)
            self._trickle.measure()

    def forget(self, peer: Peer) -> None:
        """Wait no longer for `peer`, which has caught up, or is gone, or is not worth it."""
        if not self.readers.remove(peer):
            return
        if not self.readers:
            self._tick.hold_at = NEVER
            if self in self._tick.brakes:
                self._tick.brakes.remove(self)
        self._release_soon()

    # Senders.

    def receive(self, sender: Peer, frames: bytes, messages: int) -> None:
        """Pass on `frames` (complete, that many messages) that `sender` sent, or hold them until that may be."""
        held = self._paused.get(sender)
        if held is None:
            if sender.inbox is not None or self._fits(sender, len(frames)):  # in an inbox it waits before it is handled
                self._receive(sender, frames, messages)
                return
            held = self._pause(sender)
        held.add(frames, messages)
        if not self._releasing:
            self._release()

    def after_read(self, sender: Peer, size: int, messages: int) -> None:
        """Pause the reading of `sender`, of which `size` bytes were read, if the next would have to be held."""
        if sender in self._called:
            self._called.discard(sender)
            self._release_soon()
        tick = self._tick
        full = tick.published >= tick.hold_at and size > self._trickle.share
        if full and sender.inbox is None and sender not in self._paused:
            self._trickle.measure()
            if tick.published >= tick.hold_at:
                self._pause(sender)

    async def turn(self, sender: Peer, size: int) -> None:
        """Return when a message of `sender`, `size` bytes, may be handled."""
        tick = self._tick
        self._called.discard(sender)
        while not self._over and sender.reason not in UNHEARD:
            if tick.published < tick.hold_at or self._fits(sender, size):
                return
            turn = self._turns[sender] = asyncio.get_running_loop().create_future()
            await turn

    def held_bytes(self, sender: Peer) -> int:
        """Bytes that are held of `sender`."""
        held = self._paused.get(sender)
        return 0 if held is None else held.size

    def after_held(self, sender: Peer, then: Callable[[], object]) -> None:
        """Call `then` once nothing is held of `sender`: now, or behind what is. A later call replaces an earlier."""
        held = self._paused.get(sender)
        if held is not None and held.messages:
            held.then = then
            return
        if held is not None:
            self._paused.pop(sender)
            sender.resume_reading(Pause.PACE)
        then()

    def deliver_all(self) -> None:
        """Pass on all that is held, and hold nothing from now on."""
        self._over = True
        while self._paused:
            self._let_go(next(iter(self._paused)), sys.maxsize)
        while self._turns:
            _give(self._turns.popitem(last=False)[1])

    def drop(self, sender: Peer) -> None:
        """Throw away what is held of `sender`."""
        held = self._forget_sender(sender)
        if held is not None and held.then is not None:
            held.then()

    def _forget_sender(self, sender: Peer) -> HeldBack | None:
        """Have `sender` wait no more; gives the messages that were held of it."""
        self._called.discard(sender)
        turn = self._turns.pop(sender, None)
        if turn is not None:
            _give(turn)
        return self._paused.pop(sender, None)

    def _pause(self, sender: Peer) -> HeldBack:
        held = self._paused[sender] = HeldBack()
        sender.pause_reading(Pause.PACE)
        self._trickle.begin()
        return held

    # How much may be published.

    def _fits(self, sender: Peer, size: int) -> bool:
        """True if `size` bytes that `sender` sent may be passed on now."""
        return self._over or self._trickle.fits(sender, size)

    def _room(self) -> int:
        """Bytes that may be published now, less those that senders who had their turn are likely to bring."""
        tick = self._tick
        return tick.hold_at - tick.published - READ_SIZE * len(self._called)

    def _interval_ended(self, seconds: float) -> None:
        self._called.clear()
        if self.active:
            self.readers.held_seconds += seconds
        for peer in self.readers.check(self._clock.time()):
            self.forget(peer)
        if self.active or self._trickle.used:
            self._trickle.begin()
            self._release()

    # Letting them go on.

    def _release_soon(self) -> None:
        if self.active and not self._will_release:
            self._will_release = True
            self._clock.call_soon(self._release)

    def _release(self) -> None:
        """Pass on what is held, go on with inboxes, and read paused senders, as far as may be, in turn."""
        self._will_release = False
        tick = self._tick
        most = tick.published + RELEASED_AT_ONCE
        self._releasing = True
        try:
            while self.active:
                if self._room() <= 0:
                    self._trickle.measure()
                    if self._room() <= 0:
                        break
                if tick.published >= most:
                    self._release_soon()
                    break
                if self._turns:
                    sender, turn = self._turns.popitem(last=False)
                    self._called.add(sender)
                    _give(turn)
                else:
                    self._release_next()
        finally:
            self._releasing = False

    def _release_next(self) -> None:
        """Pass on some messages of the paused sender whose turn it is, or read it."""
        sender = next(iter(self._paused))
        held = self._paused[sender]
        if sender.reason in UNHEARD:
            self.drop(sender)
        elif held.messages:
            self._paused.move_to_end(sender)
            self._let_go(sender, self._room())
        else:
            del self._paused[sender]
            self._called.add(sender)
            sender.resume_reading(Pause.PACE)

    def _let_go(self, sender: Peer, at_least: int) -> None:
        """Pass on the fewest held messages of the paused `sender` that make that many bytes; then its end, if they are
        the last and it waits for that.
        """
        held = self._paused[sender]
        if held.messages:
            self._receive(sender, *held.take(at_least, sender.framing))
        if self._paused.get(sender) is not held:  # a handler has had it kicked
            return
        if not held.messages and (self._over or held.then is not None):
            del self._paused[sender]
            sender.resume_reading(Pause.PACE)
            if held.then is not None:
                held.then()


def _give(turn: asyncio.Future[None]) -> None:
    """Have whoever awaits `turn` go on."""
    if not turn.done():  # not cancelled
        turn.set_result(None)
