"""Pacing: senders are slowed to what readers take, while these go on taking, so that no policy has to act.

Rules:
- A peer that is behind is waited for if its system acknowledged something within the last half second and it has some
  of its budget left. One that took nothing for so long is stuck, and its limit will deal with it.
- Counted are bytes, of all senders together. What is published may not bring the first of those waited for over half
  its limit (under `block` over its limit, since senders then wait anyway). Beyond, a trickle passes, so that the others
  hear something in each interval; it leaves room enough that no limit is passed as long as anyone is waited for.
- What a sender sent beyond that is held before anyone gets it, and the sender is not read; both go on in turn, as soon
  as a peer that was waited for makes room. A read is cut between messages, so that no more passes than may. What
  waits for handlers in an inbox waits there.
- Who says little is not held: each sender has a share of a second trickle.
- For no more than `pace_timeout` seconds in any minute something is held because of one peer (or origin, where limits
  per address hold) that takes less than its limit in a second. Beyond, that one is on its own for a minute.

Strategy: a peer's due is the total of published bytes at which it can be over half its limit: as much is pending for
it as was published since it took all, at most. A due only ever grows, so that the least of a heap of old ones is
looked at anew until the least is new. `Tick.hold_at` is that least due, or what trickles beyond it, and below it a
read costs one comparison.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from logging import WARNING
from typing import TYPE_CHECKING, Final

from fastserver.errors import UNHEARD
from fastserver.fanout.backlog import whole
from fastserver.fanout.pause import Pause
from fastserver.fanout.reads import READ_SIZE
from fastserver.fanout.tick import NEVER
from fastserver.limits.budget import Budget, payer

if TYPE_CHECKING:
    from fastserver.framing.framing import Splitter
    from fastserver.peers.peer import Peer
    from fastserver.server import Server

INTERVAL: Final = 0.01
"""Seconds between two pieces of the trickle."""

STUCK: Final = 0.5
"""Seconds without taking anything after which a peer paces nobody. Until then a feed is slowed for one that may be
stuck for good; but a reader may be kept from its processor, or collect garbage, for some tenths of a second."""

LOOK: Final = STUCK / 4
"""Seconds after which a peer that is waited for is looked at again."""

AT_ONCE: Final = 500
"""Peers looked at without letting the loop do anything else."""

RESERVE: Final = 8
"""One that seems to be stuck keeps its limit divided by this, in case that it is not."""

TURN: Final = 1024 * 1024
"""Bytes of held messages passed on without letting the loop do anything else."""


class Waited:
    """A peer that is waited for: what it had taken, when that last changed, and what was seen at the last look."""

    __slots__ = ("gone", "held", "looked", "moved", "peer", "taken")

    def __init__(self, peer: Peer, now: float, held: float) -> None:
        self.peer = peer
        self.taken = peer.acknowledged_bytes
        self.moved = self.looked = now  # loop time, seconds
        self.held = held  # for how long something had been held by then, seconds
        self.gone = False


class Held:
    """What a sender sent and nobody got yet: `frames` from `start` on, that many `messages`; none if it only rests."""

    __slots__ = ("frames", "messages", "start")

    def __init__(self) -> None:
        self.frames = b""
        self.start = 0
        self.messages = 0

    @property
    def size(self) -> int:
        return len(self.frames) - self.start

    def add(self, frames: bytes, messages: int) -> None:
        self.frames = self.frames[self.start :] + frames
        self.start = 0
        self.messages += messages

    def take(self, most: int, splitter: Callable[[], Splitter]) -> tuple[bytes, int]:
        """The fewest messages that make `most` bytes, or all, and their number. `splitter()` is new, of the framing."""
        start, messages = self.start, self.messages
        size = self.size
        if most < size:
            size, messages = whole(self.frames, start, most, splitter)
        frames = self.frames[start : start + size]
        self.start += size
        self.messages -= messages
        if not self.messages:
            self.frames = b""
            self.start = 0
        return frames, messages


class Pacing:
    """Who is waited for, and who waits."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limit = server.config.max_pending
        self._target = self._limit if server.config.slow_consumer == "block" else self._limit // 2
        self._budget = Budget(server.config.pace_timeout)
        self._waited: OrderedDict[Peer, Waited] = OrderedDict()  # in the order of their last look
        self._dues: list[tuple[int, int, Waited]] = []  # a heap: due, the peer's number, the peer
        self._resting: OrderedDict[Peer, Held] = OrderedDict()  # senders that are not read, in the order of their turn
        self._turns: OrderedDict[Peer, asyncio.Future[None]] = OrderedDict()  # of the inboxes that wait, likewise
        self._called: set[Peer] = set()  # those that had their turn and were not heard since
        self._held = 0.0  # for how long something was held, seconds
        self._began = 0.0  # of the interval, loop time
        self._in_interval = False
        self._releasing = False
        self._soon = False
        self._trickle = 0  # bytes in this interval
        self._share = 0  # of each that says little, bytes
        self._shared = 0  # left of the second trickle, bytes
        self._used: dict[Peer, int] = {}  # of its share, bytes

    @property
    def active(self) -> bool:
        """Whether anything is held, or anyone not read, because of someone who is behind."""
        return bool(self._resting or self._turns)

    # Those who are waited for.

    def watch(self, peer: Peer) -> None:
        """`peer` is behind, and has just taken something."""
        now = self._server.clock.time()
        one = self._waited.get(peer)
        if one is not None:
            one.moved = now
            self._release_soon()
        elif self._budget.left(payer(peer), now) > 0:
            one = self._waited[peer] = Waited(peer, now, self._held)
            heappush(self._dues, (self._due(peer), peer.id, one))
            if self not in self._server.flush.brakes:
                self._server.flush.brakes.append(self)
            self._measure()

    def forget(self, peer: Peer) -> None:
        """`peer` has caught up, or is gone, or is waited for no longer."""
        one = self._waited.pop(peer, None)
        if one is None:
            return
        one.gone = True
        if len(self._dues) > 2 * len(self._waited) + 64:
            self._dues = [entry for entry in self._dues if not entry[2].gone]
            heapify(self._dues)
        if not self._waited:
            self._dues.clear()
            self._server.flush.hold_at = NEVER
            if self in self._server.flush.brakes:
                self._server.flush.brakes.remove(self)
        self._release_soon()

    def waits_for(self, peer: Peer) -> bool:
        """Whether `peer`, which is behind, has just taken something."""
        one = self._waited.get(peer)
        return one is not None and self._server.clock.time() - one.moved < STUCK

    # Those who wait.

    def receive(self, sender: Peer, frames: bytes, messages: int) -> None:
        """`sender` sent `frames`, complete, that many messages: pass them on, or hold them until that may be."""
        held = self._resting.get(sender)
        if held is None:
            if sender.inbox is not None or self._fits(sender, len(frames)):  # in an inbox it waits before it is handled
                self._server.receive(sender, frames, messages)
                return
            held = self._rest(sender)
        held.add(frames, messages)
        if not self._releasing:
            self._release()

    def after_read(self, sender: Peer, size: int, messages: int) -> None:
        """Pause the reading of `sender`, of which `size` bytes were read, if the next would have to be held."""
        if sender in self._called:
            self._called.discard(sender)
            self._release_soon()
        flush = self._server.flush
        full = flush.published >= flush.hold_at and size > self._share
        if full and sender.inbox is None and sender not in self._resting:
            self._measure()
            if flush.published >= flush.hold_at:
                self._rest(sender)

    async def turn(self, sender: Peer, size: int) -> None:
        """Return when a message of `sender`, `size` bytes, may be handled."""
        flush = self._server.flush
        self._called.discard(sender)
        while sender.reason is None and flush.published >= flush.hold_at and not self._fits(sender, size):
            turn = self._turns[sender] = asyncio.get_running_loop().create_future()
            await turn

    def held_bytes(self, sender: Peer) -> int:
        """Bytes that are held of `sender`."""
        held = self._resting.get(sender)
        return 0 if held is None else held.size

    def deliver(self, sender: Peer) -> None:
        """Pass on what is held of `sender`, all of it: its end comes behind that."""
        held = self._forget_sender(sender)
        if held is not None:
            sender.resume_reading(Pause.PACE)
            if held.messages:
                self._server.receive(sender, held.frames[held.start :], held.messages)

    def deliver_all(self) -> None:
        """Pass on all that is held. Nobody waits any more."""
        while self._resting:
            self.deliver(next(iter(self._resting)))
        while self._turns:
            self._call(self._turns.popitem(last=False)[1])

    def drop(self, sender: Peer) -> None:
        """What is held of `sender` is for nobody."""
        self._forget_sender(sender)

    # Its own.

    def _forget_sender(self, sender: Peer) -> Held | None:
        """Have `sender` wait no more; what was held of it."""
        self._called.discard(sender)
        turn = self._turns.pop(sender, None)
        if turn is not None:
            self._call(turn)
        return self._resting.pop(sender, None)

    def _due(self, peer: Peer) -> int:
        flush = self._server.flush
        return flush.published - flush.collected + self._target - peer.pending_bytes

    def _measure(self) -> None:
        """Find out how much may be published."""
        dues = self._dues
        while dues:
            due, number, one = dues[0]
            if one.gone:
                heappop(dues)
                continue
            exact = self._due(one.peer)
            if exact != due:
                heapreplace(dues, (exact, number, one))
            if exact <= due:
                break
        self._server.flush.hold_at = max(dues[0][0], self._trickle) if dues else NEVER

    def _fits(self, sender: Peer, size: int) -> bool:
        """Whether `size` bytes that `sender` sent may be passed on now."""
        flush = self._server.flush
        if flush.published + size <= flush.hold_at:
            return True
        if not self._in_interval:
            self._begin_interval()
        used = self._used.get(sender, 0) + size
        if used <= self._share and size <= self._shared:
            self._used[sender] = used
            self._shared -= size
            return True
        self._measure()
        return flush.published + size <= flush.hold_at

    def _rest(self, sender: Peer) -> Held:
        held = self._resting[sender] = Held()
        sender.pause_reading(Pause.PACE)
        if not self._in_interval:
            self._begin_interval()
        return held

    def _begin_interval(self) -> None:
        flush = self._server.flush
        self._in_interval = True
        self._began = self._server.clock.time()
        self._server.clock.call_later(INTERVAL, self._end_interval)
        before = flush.hold_at
        self._measure()
        piece = self._piece()
        self._shared = piece // 4
        # What passed beyond what could is not forgiven, but for the shares.
        self._trickle = min(before + sum(self._used.values()), flush.published) + piece - self._shared
        self._share = self._shared // max(1, len(self._used))
        self._used.clear()
        if self._dues:
            flush.hold_at = max(flush.hold_at, self._trickle)

    def _piece(self) -> int:
        """Bytes that may pass in this interval though someone is over half its limit, shares included.

        One that takes little is waited for until its budget is spent: at four times that speed, it is not at its limit
        by then, and what passes in the end is not nothing. One that seems to be stuck may be brought near its limit
        until it is known, so that the others are not kept back for it.
        """
        if not self._dues:
            return 0
        one = self._dues[0][2]
        room = max(0, self._limit - one.peer.pending_bytes)
        speed = room / max(INTERVAL, self._budget.seconds / 4)
        left = one.moved + STUCK - self._began
        if left <= STUCK - LOOK:
            speed = max(speed, (room - self._limit // RESERVE) / max(INTERVAL, left))
        return min(room, int(speed * INTERVAL))

    def _end_interval(self) -> None:
        self._in_interval = False
        self._called.clear()
        now = self._server.clock.time()
        if self.active:
            self._held += now - self._began
        self._look(now)
        if self.active or self._used:
            self._begin_interval()
            self._release()

    def _look(self, now: float) -> None:
        """See who of those that are waited for is stuck, or has spent its budget."""
        for _ in range(min(AT_ONCE, len(self._waited))):
            peer = next(iter(self._waited))  # not `items()`: CPython 3.11 crashes where its iterator finds no memory
            one = self._waited[peer]
            elapsed = now - one.looked
            if elapsed < LOOK:
                return
            self._waited.move_to_end(peer)
            taken = peer.acknowledged_bytes
            took, held = taken - one.taken, self._held - one.held
            one.taken, one.held, one.looked = taken, self._held, now
            if took > 0:
                one.moved = now
            elif now - one.moved >= STUCK:
                self.forget(peer)
                self._server.flush.room -= peer.kernel_bytes
                continue
            burden = held > 0 and took < self._limit * elapsed and self._is_cause(peer)
            if burden and not self._budget.spend(payer(peer), now - held, now):
                self._say(peer)
                self.forget(peer)

    def _is_cause(self, peer: Peer) -> bool:
        """Whether something may be held because of `peer`: another read would bring it over half its limit."""
        return self._due(peer) <= self._server.flush.published + min(READ_SIZE, self._target // 4)

    def _release_soon(self) -> None:
        if self.active and not self._soon:
            self._soon = True
            self._server.clock.call_soon(self._release)

    def _release(self) -> None:
        """Pass on what is held, go on with inboxes, and read those that rest, as far as may be, in turn."""
        self._soon = False
        flush = self._server.flush
        most = flush.published + TURN
        self._releasing = True
        try:
            while self.active:
                if self._room() <= 0:
                    self._measure()
                    if self._room() <= 0:
                        break
                if flush.published >= most:
                    self._release_soon()
                    break
                if self._turns:
                    sender, turn = self._turns.popitem(last=False)
                    self._called.add(sender)
                    self._call(turn)
                    continue
                sender = next(iter(self._resting))
                held = self._resting[sender]
                if sender.reason in UNHEARD:
                    self.drop(sender)
                elif held.messages:
                    self._resting.move_to_end(sender)
                    self._server.receive(sender, *held.take(self._room(), self._server.resplitter))
                else:
                    del self._resting[sender]
                    self._called.add(sender)
                    sender.resume_reading(Pause.PACE)
        finally:
            self._releasing = False

    @staticmethod
    def _call(turn: asyncio.Future[None]) -> None:
        if not turn.done():  # not cancelled
            turn.set_result(None)

    def _room(self) -> int:
        """Bytes that may be published now, less those that senders who had their turn are likely to bring."""
        flush = self._server.flush
        return flush.hold_at - flush.published - READ_SIZE * len(self._called)

    def _say(self, peer: Peer) -> None:
        self._server.log.line(
            WARNING,
            "peer %(id)d %(address)s is %(pending)d bytes behind and has slowed the others for %(seconds)g s in a "
            "minute: nobody waits for it now",
            id=peer.id,
            address=peer.address,
            pending=peer.pending_bytes,
            seconds=self._budget.seconds,
        )
