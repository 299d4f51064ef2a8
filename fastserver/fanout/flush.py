"""The flush: at the end of a tick, one write per peer; and the peers that could not take theirs.

Writes to peers that keep up, of one batch, are compiled (see batch.py). The rest is here.

Rules:
- A peer that keeps up has nothing in its link (see link.py), and costs its write and no more. A write that the kernel
  does not take whole puts it behind (see behind.py).
- A batch of one view alone is sent to all by one call (see sending.py), which took 6 to 9 % off the processor time of a
  delivery. A link gets what the kernel does not take.
- A peer receives everything in the order of the calls, whatever channels they were for: a run is what was published
  for one channel without a call for another in between, and runs are numbered through the whole server.
- Nothing that happens inside a write changes who is in a channel: peers that stalled, and those to which a write
  failed, are only noted, and dealt with when all was written.
- Whatever fails, for want of memory above all, counts as dropped what it was about, or ends the connections concerned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastserver.errors import CloseReason
from fastserver.fanout.merge import merged
from fastserver.fanout.way import condemn

if TYPE_CHECKING:
    from fastserver.fanout.batch import Batch
    from fastserver.fanout.delivery import Stalled
    from fastserver.fanout.member import Member, Receiver, Source
    from fastserver.fanout.parts import Part
    from fastserver.fanout.unraised import Unraised
    from fastserver.fanout.view import View
    from fastserver.framing.framing import Framing


class Flush:
    """Writes batches of several views, and deals with what goes wrong with any. Peers that stall are for `behind`."""

    def __init__(self, behind: Stalled, unraised: Unraised) -> None:
        self._behind = behind
        self._unraised = unraised
        self._stalled: list[Receiver] = []
        self._broken: list[Receiver] = []

    # While batches are written.

    def write_several(self, batches: list[Batch]) -> None:
        """Write batches of several views. Raises nothing.

        A peer has one framing, so that batches of different framings have no receiver in common.
        """
        try:
            framings: dict[Framing, list[Batch]] = {}
            for batch in batches:
                framings.setdefault(batch.view.framing, []).append(batch)
            used = iter(framings)
        except BaseException as error:
            self.not_written(batches, error)
            return
        for framing in used:
            several = framings[framing]
            try:
                if len(several) == 1:
                    several[0].send(self)
                else:
                    self._write_merged(several)
            except BaseException as error:
                self.not_written(several, error)

    def write_parts(self, peer: Receiver, parts: Sequence[Part]) -> None:
        """Give the link of `peer` what it is to pass on."""
        peer.link.write(parts)
        if peer.link.error:
            self._broken.append(peer)
        elif peer.link.stuck:
            self._stalled.append(peer)

    def write_failed(self, peer: Receiver, error: int) -> None:
        """A send to `peer` failed with that error number."""
        peer.link.error = error
        self._broken.append(peer)

    def fail(self, peer: Receiver, error: BaseException) -> None:
        """Something of ours failed with what was for `peer`, and what it has got may end anywhere: it is to be cut off
        when all is written. Raises nothing.
        """
        self._unraised.note(error)
        condemn(peer.link)
        try:
            self._broken.append(peer)
        except BaseException as another:
            self._unraised.note(another)

    def not_written(self, batches: Sequence[Batch], error: BaseException) -> None:
        """Nobody was given anything of `batches`, because of `error`: it counts as dropped. Raises nothing."""
        self._unraised.note(error)
        try:
            for batch in batches:
                for member in batch.ready:
                    messages, size = member.own_amount
                    member.peer.drop(batch.messages - messages, len(batch.blob) - size)
        except BaseException as another:
            self._unraised.note(another)

    def lose(self, view: View, error: BaseException) -> None:
        """Count everything that `view` collected as offered and dropped: because of `error` it cannot be joined. Raises
        nothing.
        """
        self._unraised.note(error)
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
            self._unraised.note(another)
        finally:
            view.discard()

    def _write_merged(self, batches: list[Batch]) -> None:
        """Write batches of one framing, merged. Raises before anything was written, if at all."""
        heard: dict[Receiver, list[tuple[Batch, Member]]] = {}
        # Peers that hear the same batches, and sent none of it, share what they get.
        shared: dict[tuple[int, ...], Sequence[Part]] = {}
        for batch in batches:
            for member in batch.ready:
                heard.setdefault(member.peer, []).append((batch, member))
        for peer in heard:  # not `items()`: CPython 3.11 crashes where its iterator finds no memory
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
                    self.write_parts(peer, parts)
            except BaseException as error:
                self.fail(peer, error)

    # When all were written.

    def settle(self, batches: Sequence[Batch]) -> None:
        """Do what is due for those that did not take all of `batches`, which they were given. Flushes nothing and
        raises nothing.
        """
        if not (self._stalled or self._broken):
            return
        try:
            flushed = {batch.view: batch for batch in batches}
            for peer in self._stalled:
                try:
                    self._stall(peer, flushed)
                except BaseException as error:
                    self.fail(peer, error)
            for peer in self._broken:
                try:
                    self._drop_broken(peer, flushed)
                except BaseException as error:
                    self._unraised.note(error)
        except BaseException as error:
            self._unraised.note(error)
            for peer in (*self._stalled, *self._broken):
                peer.abort(CloseReason.INTERNAL_ERROR)
        finally:
            self._stalled.clear()
            self._broken.clear()

    def _stall(self, peer: Receiver, flushed: dict[Source, Batch]) -> None:
        hears = _hears(peer, flushed)
        parts, messages = merged(hears)
        self._behind.add(peer, parts, messages, max([batch.largest for batch, _ in hears], default=0))

    def _drop_broken(self, peer: Receiver, flushed: dict[Source, Batch]) -> None:
        try:
            if peer not in self._behind:
                peer.link.drop()
                parts, messages = merged(_hears(peer, flushed))
                peer.drop(messages, sum(map(len, parts)))
        finally:
            peer.write_failed()


def _hears(peer: Receiver, flushed: dict[Source, Batch]) -> list[tuple[Batch, Member]]:
    """The batches of `flushed`, by view, that were written to `peer`, which keeps up, and the membership of each."""
    members = peer.members
    if len(members) > len(flushed):
        members = [
            member for view in flushed if (member := peer.member_of(view.channel)) is not None and member.view is view
        ]
    found = [(flushed[member.view], member) for member in members if member.view in flushed]
    return [(batch, member) for batch, member in found if batch.start >= member.since_bytes and member in batch.ready]
