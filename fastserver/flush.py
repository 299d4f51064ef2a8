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

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from fastserver.fastpath import READ_SIZE, Batch, Member, Tick
from fastserver.merge import merged
from fastserver.outbox import Outbox
from fastserver.sending import send_all

if TYPE_CHECKING:
    from fastserver.backlog import Part
    from fastserver.channel import Channel
    from fastserver.framing import Splitter
    from fastserver.memory import Memory
    from fastserver.pacing import Pacing
    from fastserver.peer import Peer
    from fastserver.slowconsumer import SlowConsumers

SHARE: Final = 2
"""A message is large if it is larger than the limit divided by this: it may be pending beside as much as the limit."""


class Flush(Tick):
    """Collects what is published in a tick and brings it to the peers at its end.

    `max_pending` is how many bytes a peer may be behind, `policy` what becomes of one that is further
    behind, `memory` what is held for all, `splitter` makes new splitters of the framing, `pacing` slows senders. A tick
    lasts `interval` seconds, or a turn of the loop.
    """

    __slots__ = ("_check_at", "_max_pending", "_memory", "_policy", "_splitter", "pacing")

    def __init__(
        self,
        max_pending: int,
        policy: SlowConsumers,
        memory: Memory,
        splitter: Callable[[], Splitter],
        pacing: Pacing,
        interval: float | None = None,
    ) -> None:
        super().__init__(interval, send_all)
        self.pacing = pacing
        self._max_pending = max_pending
        # A single batch is to bring nobody who keeps up to its limit: pacing comes behind it.
        self.most = min(self.most, max(READ_SIZE, max_pending // 4))
        self._policy = policy
        self._memory = memory
        if memory.limit is not None:
            self.room = memory.limit
        self._splitter = splitter
        # No peer can be over the limit before `_flushed` passes it: what is pending for a peer grows by no more than
        # what is flushed.
        self._check_at = 0

    @property
    def collected(self) -> int:
        """Bytes that were published since the last flush."""
        return sum([channel.size for channel in self._dirty])

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
        peer.outbox = None
        for member in peer.members:
            member.channel.catch_up(member, peer.transport)
        self._policy.caught_up(peer)

    def publish_past(self, channel: Channel, left_out: Sequence[Member], frame: bytes) -> None:
        """`publish` one message to all of `channel` but several members."""
        *others, last = left_out
        try:
            for member in others:
                self.publish(channel, member, b"", 0)
            self.publish(channel, last, frame, 1)
        except BaseException:
            while channel.pieces and not channel.pieces[-1][1]:  # or they were left out of another message
                channel.pieces.pop()
            if not channel.pieces and channel in self._dirty:
                self._dirty.remove(channel)
            raise

    def take(self, peer: Peer) -> tuple[Sequence[Part], int] | None:
        """What `peer`, which is behind, is to receive next, in order, with the number of messages in it; None at the
        end.
        """
        return None if peer.outbox is None else peer.outbox.take()

    def drop_oldest(self, peer: Peer, most: int) -> None:
        """Have `peer` skip what it has waited for longest, until no more than `most` bytes are pending, or what a
        single message may have. What its link holds already, it gets.
        """
        while peer.outbox is not None and (excess := peer.pending_bytes - most - self._allowance(peer)) > 0:
            messages, size = peer.outbox.drop_oldest(excess)
            if not size:
                break
            peer.skip(messages, size)

    def keep_newest(self, peer: Peer) -> None:
        """Have `peer` skip all that its link does not hold, but for the newest message."""
        if peer.outbox is not None:
            peer.skip(*peer.outbox.keep_newest())

    def look_at(self, peer: Peer) -> None:
        """Look at `peer`, which is behind, before it can be over its limit."""
        room = self._max_pending - peer.pending_bytes
        if room < 0:
            room += self._allowance(peer)
        self._check_at = min(self._check_at, self._flushed + room)

    def _allowance(self, peer: Peer) -> int:
        """Bytes that `peer` may be behind beyond the limit: one message, however large, may always be pending whole."""
        largest = peer.largest_pending()
        return largest if largest > self._max_pending // SHARE else 0

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
                parts, _ = merged(hears)
            else:
                key = tuple([batch.channel.order for batch, _ in hears])
                if key not in shared:
                    shared[key], _ = merged(hears)
                parts = shared[key]
            if parts:
                self._write_parts(peer, parts)

    def _settle(self, batches: list[Batch]) -> None:
        if self._stalled:
            self._fall_behind(batches)
        if self._broken:
            self._drop_broken(batches)

    def _look_after(self, flushed: int) -> None:
        self.room -= flushed
        if self.room < 0:
            self._memory.check()
        if self._flushed > self._check_at:
            self._check()

    def _fall_behind(self, batches: list[Batch]) -> None:
        stalled, self._stalled = self._stalled, []
        flushed = {batch.channel: batch for batch in batches}
        for peer in stalled:
            hears = _hears(peer, flushed)
            peer.outbox = Outbox(self._splitter)
            peer.outbox.given = max([batch.largest for batch, _ in hears], default=0)
            peer.hold(*merged(hears))
            for member in peer.members:
                if member in member.channel.ready:
                    member.channel.fall_behind(member)
            self.behind.add(peer)
            self.room -= peer.kernel_bytes
            self.pacing.watch(peer)
            if len(self.behind) == 1:
                self._check_at = self._flushed + self._max_pending
            self.look_at(peer)

    def _drop_broken(self, batches: list[Batch]) -> None:
        broken, self._broken = self._broken, []
        flushed = {batch.channel: batch for batch in batches}
        for peer in broken:
            if peer not in self.behind:
                parts, messages = merged(_hears(peer, flushed))
                peer.drop(messages, sum(map(len, parts)))
            peer.write_failed()

    def _check(self) -> None:
        self._check_at = self._flushed + self._max_pending
        for peer in list(self.behind):
            if self._too_far(peer):
                self._policy.meet(peer)
            if peer.outbox is not None:
                peer.outbox.shed(self._max_pending)
            if peer in self.behind and not self._too_far(peer):
                self.look_at(peer)

    def _too_far(self, peer: Peer) -> bool:
        beyond = peer.pending_bytes - self._max_pending
        return beyond > 0 and beyond > self._allowance(peer)


def _hears(peer: Peer, flushed: dict[Any, Batch]) -> list[tuple[Batch, Member]]:
    """Which of the batches `flushed`, by channel, were written to `peer`, which keeps up, and as which member."""
    members = peer.members
    if len(members) > len(flushed):
        members = [member for channel in flushed if (member := peer.member_of(channel)) is not None]
    found = [(flushed[member.channel], member) for member in members if member.channel in flushed]
    return [
        (batch, member)
        for batch, member in found
        if batch.start >= member.since_bytes and member in batch.channel.ready
    ]
