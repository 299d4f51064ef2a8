"""The flush: at the end of a tick, one write per peer; and the peers that could not take theirs.

The tick itself, and the writes of those that keep up, are in the fast path (see fastpath.py).

Rules:
- A peer that keeps up has nothing in its link (see link.py), and costs its write and no more. A write that the kernel
  does not take whole puts it behind.
- What went through one channel alone is sent to all by one call (see sending.py), which took 6 to 9 % off the processor
  time of a delivery. A link gets what the kernel does not take.
- A peer that is behind gets nothing by a flush. When its link has run empty it is refilled from its cursors, one
  stretch of the backlog at a time.
- What one peer receives has the order of the calls, whatever channels they were for: a run is what was published
  for one channel without a call for another in between, and runs are numbered through the whole server.
- Nothing that happens inside a write changes who is in a channel: peers that stalled, and those to which a write
  failed, are only noted, and dealt with when all was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from fastserver.backlog import Part
from fastserver.fastpath import Batch, Member, Tick
from fastserver.pacing import Pacing
from fastserver.sending import send_all

if TYPE_CHECKING:
    from fastserver.framing import Splitter
    from fastserver.memory import Memory
    from fastserver.peer import Peer
    from fastserver.slowconsumer import SlowConsumers

REFILL: Final = 64 * 1024
"""Bytes up to which short runs of several channels are gathered to refill a peer."""


class Flush(Tick):
    """Collects what is published in a tick and brings it to the peers at its end.

    `max_pending` is how many bytes a peer may be behind, `policy` what becomes of one that is further
    behind, `memory` what is held for all, `splitter` makes new splitters of the framing. A tick lasts `interval`
    seconds, or a turn of the loop.
    """

    __slots__ = ("_check_at", "_max_pending", "_memory", "_policy", "_splitter", "pacing")

    def __init__(
        self,
        max_pending: int,
        policy: SlowConsumers,
        memory: Memory,
        splitter: Callable[[], Splitter],
        interval: float | None = None,
    ) -> None:
        super().__init__(interval, send_all)
        self.pacing = Pacing(max_pending)
        self._max_pending = max_pending
        self._policy = policy
        self._memory = memory
        if memory.limit is not None:
            self.room = memory.limit
        self._splitter = splitter
        # No peer can be over the limit before `_flushed` passes it: what is pending for a peer grows by no more than
        # what is flushed.
        self._check_at = 0

    def refill(self, peer: Peer) -> None:
        """`peer`'s link is empty again: give it what it has not had, until it stalls or has caught up."""
        if peer not in self.behind:
            return
        while (taken := self._policy.take(peer)) is not None:
            parts, messages = taken
            peer.link.write(peer, parts)
            if peer.error:
                peer.hold(parts, messages)
                peer.write_failed()
                return
            if peer.stuck:
                peer.hold(parts, messages)
                self.pacing.watch(peer)
                return
        self.forget(peer)
        for member in peer.members:
            if member.left is None:
                member.channel.catch_up(member, peer.transport)
        peer.forget_left()
        self._policy.caught_up(peer)

    def take(self, peer: Peer, most: int | None = None) -> tuple[Sequence[Part], int] | None:
        """What `peer`, which is behind, is to receive next, in order, with the number of messages in it.

        With `most`, the fewest messages that make that many bytes, or less where a run ends; its own count too.
        """
        cursors = [member.cursor for member in peer.members if member.cursor is not None]
        if len(cursors) == 1:
            return cursors[0].take(None, most, self._splitter)
        parts: list[Part] = []
        size = messages = 0
        while size < REFILL:
            # Two of the same order are in the same channel, which the peer has left and joined again within a run.
            waiting = [(order, one.position, one) for one in cursors if (order := one.order()) is not None]
            waiting.sort(key=itemgetter(0, 1))
            if not waiting:
                break
            first, _, cursor = waiting[0]
            before = max(waiting[1][0], first + 1) if len(waiting) > 1 else None
            taken = cursor.take(before, most, self._splitter)
            if taken is not None:
                parts += taken[0]
                size += sum(map(len, taken[0]))
                messages += taken[1]
            if most is not None and parts:
                break
        return ([b"".join(parts)], messages) if parts else None

    def drop_oldest(self, peer: Peer, most: int) -> None:
        """Have `peer` skip what it has waited for longest, until no more than `most` bytes are pending. What its link
        holds already, it gets.
        """
        while (excess := peer.pending_bytes - most) > 0 and (taken := self.take(peer, excess)) is not None:
            self._drop(peer, taken)

    def keep_newest(self, peer: Peer) -> None:
        """Have `peer` skip all that its link does not hold, but for the newest message."""
        cursors = [member.cursor for member in peer.members if member.cursor is not None]
        found = [(one, cursor) for cursor in cursors if (one := cursor.newest(self._splitter())) is not None]
        if not found:
            return
        (_, position), last = max(found, key=itemgetter(0))
        for cursor in cursors:
            while cursor is not last or cursor.position < position:
                most = position - cursor.position if cursor is last else None
                taken = cursor.take(None, most, self._splitter)
                if taken is None:
                    break
                self._drop(peer, taken)

    def look_at(self, peer: Peer) -> None:
        """Look at `peer`, which is behind, before it can be over its limit."""
        self._check_at = min(self._check_at, self._flushed + self._max_pending - peer.pending_bytes)

    def forget(self, peer: Peer) -> None:
        """`peer` is behind no more, or is offered nothing more."""
        self.behind.discard(peer)
        self.pacing.forget(peer)

    def _write_parts(self, peer: Peer, parts: Sequence[Part]) -> None:
        peer.link.write(peer, parts)
        if peer.error:
            self._broken.append(peer)
        elif peer.stuck:
            self._stalled.append(peer)

    def _write_failed(self, peer: Peer, error: int) -> None:
        peer.error = error
        self._broken.append(peer)

    def _write_several(self, batches: list[Batch]) -> None:
        heard: dict[Peer, list[tuple[Batch, Member]]] = {}
        for batch in batches:
            for member in batch.channel.ready:
                heard.setdefault(member.peer, []).append((batch, member))
        # Peers that hear the same batches, and sent none of it, share what they get.
        shared: dict[tuple[int, ...], Sequence[Part]] = {}
        for peer, hears in heard.items():
            if any(member.own_end for _, member in hears):
                parts, _ = _shared(hears)
            else:
                key = tuple([batch.channel.order for batch, _ in hears])
                if key not in shared:
                    shared[key], _ = _shared(hears)
                parts = shared[key]
            if parts:
                self._write_parts(peer, parts)

    def _settle(self, batches: list[Batch]) -> None:
        if self._stalled:
            self._fall_behind(batches)
        if self._broken:
            self._drop_broken(batches)

    def _look_after(self, flushed: int) -> None:
        self.pacing.flushed()
        self.room -= flushed
        if self.room < 0:
            self._memory.check()
        if self._flushed > self._check_at:
            self._check()

    def _fall_behind(self, batches: list[Batch]) -> None:
        stalled, self._stalled = self._stalled, []
        for peer in stalled:
            peer.hold(*_shared(_hears(peer, batches)))
            for member in peer.members:
                if member in member.channel.ready:
                    member.channel.fall_behind(member)
            self.behind.add(peer)
            self.pacing.watch(peer)
            if len(self.behind) == 1:
                self._check_at = self._flushed + self._max_pending
            self.look_at(peer)

    def _drop_broken(self, batches: list[Batch]) -> None:
        broken, self._broken = self._broken, []
        for peer in broken:
            if peer not in self.behind:
                parts, messages = _shared(_hears(peer, batches))
                peer.drop(messages, sum(map(len, parts)))
            peer.write_failed()

    def _check(self) -> None:
        self._check_at = self._flushed + self._max_pending
        for peer in list(self.behind):
            if peer.pending_bytes > self._max_pending:
                self._policy.meet(peer)
            if peer in self.behind and peer.pending_bytes <= self._max_pending:
                self.look_at(peer)

    @staticmethod
    def _drop(peer: Peer, taken: tuple[Sequence[Part], int]) -> None:
        parts, messages = taken
        peer.skip(messages, sum(map(len, parts)))


def _hears(peer: Peer, batches: Iterable[Batch]) -> list[tuple[Batch, Member]]:
    """Which of `batches` were written to `peer`, which keeps up, and as which member of their channel."""
    return [
        (batch, member)
        for batch in batches
        for member in peer.members
        if batch.channel is member.channel and batch.start >= member.since_bytes and member in batch.channel.ready
    ]


def _shared(hears: list[tuple[Batch, Member]]) -> tuple[Sequence[Part], int]:
    """What a peer that hears these batches is to receive, in order, and how many messages that is."""
    if len(hears) == 1:
        batch, member = hears[0]
        return batch.to(member)
    ordered = [part for batch, member in hears for part in batch.ordered(member)]
    ordered.sort(key=itemgetter(0))
    messages = sum(batch.to(member)[1] for batch, member in hears)
    joined = b"".join([part for _, part in ordered])
    return ((joined,) if joined else ()), messages
