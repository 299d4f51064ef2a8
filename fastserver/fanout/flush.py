"""The flush: at the end of a tick, one write per peer; and the peers that could not take theirs.

The tick itself, and the writes to peers that keep up, are compiled (see tick.py).

Rules:
- A peer that keeps up has nothing in its link (see link.py), and costs its write and no more. A write that the kernel
  does not take whole puts it behind.
- A batch of one view alone is sent to all by one call (see sending.py), which took 6 to 9 % off the processor time of a
  delivery. A link gets what the kernel does not take.
- A peer that is behind gets nothing by a flush. When its link has run empty it is refilled from its cursors, one
  stretch of the backlog at a time.
- A peer receives everything in the order of the calls, whatever channels they were for: a run is what was published
  for one channel without a call for another in between, and runs are numbered through the whole server.
- Nothing that happens inside a write changes who is in a channel: peers that stalled, and those to which a write
  failed, are only noted, and dealt with when all was written.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from fastserver.errors import CloseReason
from fastserver.fanout.merge import merged
from fastserver.fanout.outbox import Outbox
from fastserver.fanout.parts import Part
from fastserver.fanout.reads import READ_SIZE
from fastserver.fanout.sending import send_all
from fastserver.fanout.sequencer import Piece, Submitted
from fastserver.fanout.tick import Tick
from fastserver.fanout.batch import Batch
from fastserver.fanout.view import View

if TYPE_CHECKING:
    from fastserver.fanout.governors import Memory, Pacing, Policy
    from fastserver.fanout.member import Member, Receiver
    from fastserver.framing.framing import Framing

SHARE: Final = 2
"""A message is large if it is larger than the limit divided by this: it may be pending beside as much as the limit."""


class Flush(Tick):
    """Collects what is published in a tick and brings it to the peers at its end.

    `max_pending` is how many bytes a peer may be behind; `translate` gives frames of one framing, so many messages, as
    those of another, with their number and that of the messages that have no translation, of which `lost` is told: the
    id of the peer that sent them, the framing, and how many. A tick lasts `interval` seconds, or a turn of the loop.
    """

    __slots__ = (
        "_check_at",
        "_lost",
        "_max_pending",
        "_memory",
        "_policy",
        "_published",
        "_submitted",
        "_translate",
        "origin",
        "pacing",
    )

    pacing: Pacing[Any]
    _policy: Policy[Any]
    _memory: Memory

    def __init__(
        self,
        max_pending: int,
        interval: float | None = None,
        *,
        translate: Callable[[Framing, Framing, bytes, int], tuple[bytes, int, int]],
        lost: Callable[[int, Framing, int], object],
    ) -> None:
        super().__init__(interval, send_all)
        self.origin = 0
        """The number of this process among those that submit to one sequencer."""
        self._max_pending = max_pending
        # A single batch is to bring nobody who keeps up to its limit: pacing comes behind it.
        self.most = min(self.most, max(READ_SIZE, max_pending // 4))
        self._translate = translate
        self._lost = lost
        self._published: list[Piece] = []  # what is to be submitted
        self._submitted = Submitted()
        # No peer can be over the limit before `_flushed` passes it: what is pending for a peer grows by no more than
        # what is flushed.
        self._check_at = 0

    def govern(self, *, policy: Policy[Any], memory: Memory, pacing: Pacing[Any]) -> None:
        """Have `policy` deal with peers that are over their limit, `memory` limit what is held for all, and `pacing`
        slow senders. To be called before anything is published.
        """
        self._policy = policy
        self._memory = memory
        self.pacing = pacing
        if memory.limit is not None:
            self.room = memory.limit

    @property
    def collected(self) -> int:
        """Bytes that were published since the last flush."""
        size: int = sum([view.size for view in self._dirty])
        return size + self._submitted.bytes + sum([len(piece.frames) for piece in self._published])

    def refill(self, peer: Receiver) -> None:
        """`peer`'s link is empty again: give it what it has not had, until it stalls or has caught up."""
        if peer not in self.behind:
            return
        try:
            self._refill(peer)
        except BaseException:
            self._condemn(peer)
            peer.write_failed()
            raise

    def _refill(self, peer: Receiver) -> None:
        while (taken := self._policy.take(peer)) is not None:
            peer.link.write(*taken)
            if peer.link.error:
                peer.write_failed()
                return
            if peer.link.stuck:
                self.pacing.watch(peer)
                return
        peer.link.drop()
        self.forget(peer)
        peer.outbox = None
        for member in peer.members:
            member.view.catch_up(member, peer.link.transport)
        self._policy.caught_up(peer)

    def publish_past(self, view: View, left_out: Sequence[Member], frame: bytes) -> None:
        """`publish` one message to all of the channel of `view` but several members, of whatever view."""
        self.begin()
        self._spread(Piece(view, tuple(left_out), frame, 1))

    def sequenced(self, origin: int, number: int, pieces: Sequence[Piece] = ()) -> None:
        """Flush `pieces`, for which it is the turn; if `origin` is this process, those submitted under that number.

        Raises ValueError if another number of this process was due.
        """
        if origin == self.origin:
            pieces = self._submitted.take(number)
        for piece in pieces:
            self._bring(piece)
        self.write_dirty()

    def look_at(self, peer: Receiver) -> None:
        """Look at `peer`, which is behind, before it can be over its limit."""
        self._look_at(peer, peer.pending_bytes)

    def _look_at(self, peer: Receiver, pending: int) -> None:
        self._check_at = min(self._check_at, self._flushed - self._beyond(peer, pending))

    def _beyond(self, peer: Receiver, pending: int) -> int:
        """Bytes by which `peer`, for whom so many are pending, is over the limit; how many it may still get, negative,
        if it is not.
        """
        beyond = pending - self._max_pending
        return beyond - self.allowance(peer) if beyond > 0 else beyond

    def allowance(self, peer: Receiver) -> int:
        """Bytes that `peer` may be behind beyond the limit: one message, however large, may always be pending whole."""
        if self._largest <= self._max_pending // SHARE:
            return 0
        largest = peer.largest_pending()
        return largest if largest > self._max_pending // SHARE else 0

    def forget(self, peer: Receiver) -> None:
        """`peer` is behind no more, or is offered nothing more."""
        self.behind.discard(peer)
        self.pacing.forget(peer)

    def _write_parts(self, peer: Receiver, parts: Sequence[Part]) -> None:
        peer.link.write(parts)
        if peer.link.error:
            self._broken.append(peer)
        elif peer.link.stuck:
            self._stalled.append(peer)

    def _write_failed(self, peer: Receiver, error: int) -> None:
        peer.link.error = error
        self._broken.append(peer)

    def _publish_apart(self, view: View, sender: Member | None, frames: bytes, messages: int, number: int) -> None:
        self._spread(Piece(view, () if sender is None else (sender,), frames, messages, number))

    def _spread(self, piece: Piece) -> None:
        if self.sequencer is None:
            if self._bring(piece) >= self.most:
                self.run()
            return
        self.begin()
        self._published.append(piece)
        self.published += len(piece.frames)
        if self.collected - self._submitted.bytes >= self.most:
            self.run()

    def _submit(self) -> None:
        if self._published:
            pieces, self._published = self._published, []
            assert self.sequencer is not None
            self.sequencer.submit(self._submitted.add(pieces), pieces)

    def _bring(self, piece: Piece) -> int:
        """Collect `piece` in its view, and its translation in the others of the channel. Gives the bytes that the
        largest of them has collected.
        """
        source = piece.view
        senders = piece.senders
        if self.sequencer is not None:  # some may have left, or joined anew, since it was submitted
            channel = source.channel
            senders = tuple([now for one in senders if (now := one.peer.member_of(channel)) is not None])
        self._collect_for(source, senders, piece.frames, piece.messages)
        size = source.size
        for view in source.others:
            try:
                frames, messages, lost = self._translate(source.framing, view.framing, piece.frames, piece.messages)
                if messages:
                    self._collect_for(view, senders, frames, messages)
            except BaseException as error:
                self._note(error)
                lost = piece.messages
            if lost:
                self._lost(piece.number, view.framing, lost)
            size = max(size, view.size)
        return size

    def _collect_for(self, view: View, senders: Sequence[Member], frames: bytes, messages: int) -> None:
        """Collect `frames` in `view`, for all of its members but `senders`; all that they have is collected, or none
        of it."""
        own = [member for member in senders if member.view is view]
        try:
            for member in own[1:]:
                self.collect(view, member, b"", 0)
            self.collect(view, own[0] if own else None, frames, messages)
        except BaseException:
            while view.pieces and not view.pieces[-1][1]:  # or they were left out of another message
                view.pieces.pop()
            if not view.pieces and view in self._dirty:
                self._dirty.remove(view)
            raise

    def _write_several(self, batches: list[Batch]) -> None:
        """A peer has one framing, so that batches of different framings have no receiver in common."""
        try:
            framings: dict[Framing, list[Batch]] = {}
            for batch in batches:
                framings.setdefault(batch.view.framing, []).append(batch)
            used = iter(framings)
        except BaseException:
            self._not_written(batches)
            raise
        for framing in used:
            several = framings[framing]
            try:
                if len(several) == 1:
                    self.write(several[0])
                else:
                    self._write_merged(several)
            except BaseException as error:
                self._note(error)

    def _write_merged(self, batches: list[Batch]) -> None:
        try:
            heard: dict[Receiver, list[tuple[Batch, Member]]] = {}
            # Peers that hear the same batches, and sent none of it, share what they get.
            shared: dict[tuple[int, ...], Sequence[Part]] = {}
            for batch in batches:
                for member in batch.view.ready:
                    heard.setdefault(member.peer, []).append((batch, member))
            peers = iter(heard)  # not `items()`: CPython 3.11 crashes where its iterator finds no memory
        except BaseException:
            self._not_written(batches)
            raise
        for peer in peers:
            hears = heard[peer]
            try:
                if [True for _, member in hears if member.own_end]:
                    parts, _ = merged(hears)
                else:
                    key = tuple([batch.view.order for batch, _ in hears])
                    if key not in shared:
                        shared[key], _ = merged(hears)
                    parts = shared[key]
                if parts:
                    self._write_parts(peer, parts)
            except BaseException as error:
                self._fail(peer, error)

    def _not_written(self, batches: list[Batch]) -> None:
        for batch in batches:
            for member in batch.view.ready:
                own = member.own
                size = sum([end - start for start, end, _ in own])
                member.peer.drop(batch.messages - sum([count for *_, count in own]), len(batch.blob) - size)

    def _lose(self, view: View, error: BaseException) -> None:
        self._note(error)
        try:
            messages = sum([count for *_, count in view.pieces])
            own: dict[Member | None, tuple[int, int]] = {}
            for sender, frames, count in view.pieces:
                before, size = own.get(sender, (0, 0))
                own[sender] = before + count, size + len(frames)
            for member in (*view.ready, *view.behind, *view.idle):
                count, size = own.get(member, (0, 0))
                member.peer.lose(messages - count, view.size - size)
        except BaseException as another:
            self._note(another)
        finally:
            view.discard()

    def _fail(self, peer: Receiver, error: BaseException) -> None:
        self._note(error)
        self._condemn(peer)
        try:
            self._broken.append(peer)
        except BaseException as another:
            self._note(another)

    @staticmethod
    def _condemn(peer: Receiver) -> None:
        """Have nothing more written to `peer`. What it has got may end anywhere."""
        peer.link.error = peer.link.error or errno.ENOMEM

    def _settle(self, batches: list[Batch]) -> None:
        try:
            flushed = {batch.view: batch for batch in batches}
            for peer in self._stalled:
                try:
                    self._fall_behind(peer, flushed)
                except BaseException as error:
                    self._fail(peer, error)
            for peer in self._broken:
                try:
                    self._drop_broken(peer, flushed)
                except BaseException as error:
                    self._note(error)
        except BaseException as error:
            self._note(error)
            for peer in (*self._stalled, *self._broken):
                peer.abort(CloseReason.INTERNAL_ERROR)
        finally:
            self._stalled.clear()
            self._broken.clear()

    def _look_after(self, flushed: int) -> None:
        self.room -= flushed
        if self.room < 0:
            self._memory.check()
        if self._flushed > self._check_at:
            self._check()

    def _fall_behind(self, peer: Receiver, flushed: dict[Any, Batch]) -> None:
        hears = _hears(peer, flushed)
        parts, messages = merged(hears)
        self.behind.add(peer)
        peer.link.hold(parts, messages)
        peer.outbox = Outbox(peer.framing.resplitter)
        peer.outbox.given = max([batch.largest for batch, _ in hears], default=0)
        for member in peer.members:
            if member in member.view.ready:
                member.view.fall_behind(member)
        self.pacing.watch(peer)
        if len(self.behind) == 1:
            self._largest = max([batch.largest for batch in flushed.values()])
            self._check_at = self._flushed + self._max_pending
        self.look_at(peer)

    def _drop_broken(self, peer: Receiver, flushed: dict[Any, Batch]) -> None:
        try:
            if peer not in self.behind:
                peer.link.drop()
                parts, messages = merged(_hears(peer, flushed))
                peer.drop(messages, sum(map(len, parts)))
        finally:
            peer.write_failed()

    def _check(self) -> None:
        self._check_at = self._flushed + self._max_pending
        for peer in list(self.behind):
            try:
                self._check_peer(peer)
            except BaseException as error:
                self._note(error)
                peer.abort(CloseReason.INTERNAL_ERROR)

    def _check_peer(self, peer: Receiver) -> None:
        pending = peer.pending_bytes
        if self._beyond(peer, pending) > 0:
            self._policy.meet(peer)
            pending = peer.pending_bytes
        if peer.outbox is not None:
            peer.outbox.shed(self._max_pending)
        if peer in self.behind and self._beyond(peer, pending) <= 0:
            self._look_at(peer, pending)


def _hears(peer: Receiver, flushed: dict[Any, Batch]) -> list[tuple[Batch, Member]]:
    """The batches of `flushed`, by view, that were written to `peer`, which keeps up, and the membership of each."""
    members = peer.members
    if len(members) > len(flushed):
        members = [
            member for view in flushed if (member := peer.member_of(view.channel)) is not None and member.view is view
        ]
    found = [(flushed[member.view], member) for member in members if member.view in flushed]
    return [
        (batch, member) for batch, member in found if batch.start >= member.since_bytes and member in batch.view.ready
    ]
