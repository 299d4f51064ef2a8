"""The memberships of a peer: in which channels it receives.

Most peers are only in the channel of their listener, and have nothing but that `member`. Others have `Memberships`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastserver.fanout.member import Group, Member, Receiver, Source
from fastserver.fanout.view import View

if TYPE_CHECKING:
    from fastserver.peers.hub import Hub

FEW: Final = 4
"""Memberships up to which looking through them is quick, and a dict would be three times as large."""


class Memberships:
    """All memberships of one peer, `members` at first, by channel, in the order in which it joined."""

    __slots__ = ("_members", "direct")

    def __init__(self, members: tuple[Member, ...]) -> None:
        self._members: tuple[Member, ...] | dict[Group | None, Member] = (
            members  # a dict, where they are more than `FEW`
        )
        self.direct: View | None = None
        """The view of which it is the only member: what is sent to it alone has its place in the order there."""

    @property
    def all(self) -> Collection[Member]:
        """The memberships."""
        members = self._members
        return members.values() if isinstance(members, dict) else members

    def of(self, channel: Group | None) -> Member | None:
        """The membership of `channel`; None if there is none."""
        members = self._members
        if isinstance(members, dict):
            return members.get(channel)
        for member in members:
            if member.channel is channel:
                return member
        return None

    def add(self, member: Member) -> None:
        """Add the membership of another channel."""
        members = self._members
        if isinstance(members, dict):
            members[member.channel] = member
        elif len(members) < FEW:
            self._members = (*members, member)
        else:
            self._members = {one.channel: one for one in (*members, member)}

    def remove(self, member: Member) -> None:
        """Remove a membership."""
        members = self._members
        if isinstance(members, dict):
            del members[member.channel]
        else:
            self._members = tuple([one for one in members if one is not member])


class Subscriber(Receiver, Protocol):
    """A peer, as far as its memberships depend on it."""

    hub: Hub[Any]
    member: Member | None
    memberships: Memberships | None

    @property
    def view(self) -> View:
        """The messages of its own channel."""

    def offer(self, messages: int, size: int) -> None: ...


def missing(peer: Subscriber) -> bool:
    """Whether nothing of what is flushed now is for `peer`, in any of its channels."""
    for member in peer.members:
        return member.missing
    return False


def join(peer: Subscriber, view: Source) -> None:
    """Make `peer` a member of `view`, in its framing, of whose channel it is none."""
    member = view.join_missing(peer) if missing(peer) else view.join(peer, peer.link.transport)
    try:
        if peer in peer.hub.behind and not member.missing:
            view.fall_behind(member)
        _enter(peer, member)
    except BaseException:
        view.leave(member)
        raise


def leave(peer: Subscriber, member: Member) -> None:
    """End a membership of `peer`, and keep in the books what was offered by it. Messages that wait for it still do."""
    member.view.leave(member)
    messages, size = member.offered
    if member.missing:
        peer.skip(messages, size)
    peer.offer(messages, size)
    if peer.memberships is not None:
        peer.memberships.remove(member)
    if member is peer.member:
        peer.member = None


def miss(peer: Subscriber) -> None:
    """Drop, and count, everything for `peer` that is flushed from now on, until it is to `hear_again`."""
    for member in [member for member in peer.members if not member.missing]:
        leave(peer, member)
        _enter(peer, member.view.join_missing(peer))


def hear_again(peer: Subscriber) -> None:
    """Offer `peer` again what is flushed from now on."""
    peer.hub.tick.run()
    missed = [member for member in peer.members if member.missing]
    for member in missed:
        leave(peer, member)
    for member in missed:
        join(peer, member.view)


def tell(peer: Subscriber, frame: bytes) -> None:
    """Send `peer` a frame of its framing, in its place in the order."""
    peer.hub.tick.publish(_direct(peer), None, frame, 1)


def tell_now(peer: Subscriber, frame: bytes) -> None:
    """Send `peer` a frame of its framing right behind what was flushed, whatever a sequencer has not given back."""
    peer.hub.tick.collect(_direct(peer), None, frame, 1)
    peer.hub.tick.write_dirty()


def _direct(peer: Subscriber) -> View:
    memberships = _memberships(peer)
    if memberships.direct is None:
        direct = View(peer.framing)
        join(peer, direct)
        memberships.direct = direct
    return memberships.direct


def _enter(peer: Subscriber, member: Member) -> None:
    if member.channel is not peer.view.channel:
        _memberships(peer).add(member)
        return
    if peer.memberships is not None:
        peer.memberships.add(member)
    peer.member = member


def _memberships(peer: Subscriber) -> Memberships:
    if peer.memberships is None:
        peer.memberships = Memberships(() if peer.member is None else (peer.member,))
    return peer.memberships
