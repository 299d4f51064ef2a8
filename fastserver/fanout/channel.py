"""A channel: who hears the same messages, and the batch of this tick.

A member that keeps up needs no position in the channel's stream: what it was offered is the difference of running
totals. One that something waits for has a cursor into the backlog, which its peer's outbox takes from; one that is
behind in other channels alone is `idle`. Nothing here knows a socket: `ready` maps a member to what takes its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

from fastserver.errors import CloseReason
from fastserver.fanout.backlog import SEGMENT, Cursor, Link, Segment
from fastserver.fanout.batch import Batch, Collector, Member

WIDE: Final = 1 << 32
"""Bytes of a batch from which on places in its segment need 8 bytes each."""

if TYPE_CHECKING:
    from asyncio import WriteTransport

    from typing_extensions import TypeVar

    from fastserver.framing import Message

    P = TypeVar("P", default=Any)
else:
    from typing import TypeVar

    P = TypeVar("P")


class Publisher(Protocol):
    """Brings messages to the members of channels."""

    def publish(self, channel: Collector, sender: Member | None, frames: bytes, messages: int, /) -> object: ...

    def publish_past(self, channel: Channel, left_out: Sequence[Member], frame: bytes, /) -> object:
        """Bring one message to all but several members."""


class Listening(Protocol):
    """The messages of a channel from now on, within this process. `close` ends it, and so does the end of a `with`
    block.
    """

    def __aiter__(self) -> Listening: ...

    async def __anext__(self) -> Message[None]: ...

    def __enter__(self) -> Listening: ...

    def __exit__(self, *_: object) -> None: ...

    def figures(self) -> Any:
        """Its figures: what it was offered, took and missed (a `fastserver.Figures`)."""

    def close(self) -> None:
        """Receive nothing more; what waits is dropped."""


class Circle(Protocol):
    """The server of a channel, as far as the channel depends on it."""

    @property
    def hub(self) -> object:
        """The thing that all its peers share, which tells them from those of other servers."""

    @property
    def flush(self) -> Publisher: ...

    @property
    def frame(self) -> Callable[[Any], bytes]:
        """Puts a value into wire form. Raises `TypeError` or `ValueError` for what cannot be a message."""

    @property
    def frame_packed(self) -> Callable[[bytes], bytes]:
        """The same for a payload."""

    @property
    def call_threadsafe(self) -> Callable[..., None]:
        """Calls a function in the server's loop, from another thread."""

    @property
    def listening(self) -> Container[Any]:
        """The peers that are no connections, but listen in this process."""

    @property
    def listen(self) -> Callable[[Any], Listening]:
        """Listens to a channel within this process. Raises RuntimeError unless the server runs."""


class Channel(Collector, Generic[P]):
    """A set of peers that hear the same messages in the same order.

    `broadcast` and `peers` are for everyone; the rest is for the flush.
    """

    __slots__ = ("__weakref__", "_circle", "name")

    def __init__(self, name: str, circle: Circle | None = None) -> None:
        super().__init__()
        self.name = name
        self._circle = circle

    @property
    def peers(self) -> list[P]:
        """Who hears it."""
        peers = [member.peer for member in (*self.ready, *self.behind, *self.idle)]
        if self._circle is None or not self._circle.listening:
            return peers
        return [peer for peer in peers if peer not in self._circle.listening]

    def broadcast(self, value: Any, exclude: P | Iterable[P] | None = None) -> None:
        """Send one message to all of its peers but `exclude`, one or several: bytes-like in lines mode, any packable
        value in the msgpack modes. Raises `TypeError` or `ValueError` for what cannot be a message, and for an
        `exclude` that is no peer of this server.
        """
        self._broadcast(self._own_circle.frame(value), self._excluded(exclude))

    def broadcast_packed(self, payload: bytes, exclude: P | Iterable[P] | None = None) -> None:
        """`broadcast` one message that is packed already."""
        self._broadcast(self._own_circle.frame_packed(payload), self._excluded(exclude))

    def broadcast_threadsafe(self, value: Any, exclude: P | Iterable[P] | None = None) -> None:
        """`broadcast` from another thread."""
        self._own_circle.call_threadsafe(self._broadcast, self._own_circle.frame(value), self._excluded(exclude))

    def listen(self) -> Listening:
        """Its messages from now on, within this process: `async for message in channel.listen()`.

        It is bounded as a peer is: more than `max_pending` behind, `slow_consumer` says what becomes of it. Raises
        RuntimeError unless the server runs.
        """
        return self._own_circle.listen(self)

    def _broadcast(self, frame: bytes, excluded: tuple[Any, ...]) -> None:
        flush = self._own_circle.flush
        members = [member for peer in excluded if (member := peer.member_of(self)) is not None]
        if len(members) > 1:
            flush.publish_past(self, members, frame)
        else:
            flush.publish(self, members[0] if members else None, frame, 1)

    def _excluded(self, exclude: Any) -> tuple[Any, ...]:
        """`exclude`, checked."""
        if exclude is None:
            return ()
        peers: Any = (exclude,)
        if not hasattr(exclude, "member_of"):
            try:
                peers = tuple(dict.fromkeys(exclude))
            except TypeError:
                peers = (exclude,)
        for peer in peers:
            if not hasattr(peer, "member_of"):
                raise TypeError(f"exclude is a peer, or several, not {type(peer).__name__}")
            if peer.hub is not self._own_circle.hub:
                raise ValueError(f"exclude: {peer!r} is connected to another server than that of the channel")
        checked: tuple[Any, ...] = peers
        return checked

    @property
    def serves(self) -> bool:
        """Whether peers join it; not if it is for what is sent to one alone."""
        return self._circle is not None

    def check_of(self, hub: object) -> None:
        """Raises ValueError if it is no channel of the server of `hub`."""
        if self._own_circle.hub is not hub:
            raise ValueError(f"channel {self.name!r} is one of another server")

    @property
    def _own_circle(self) -> Circle:
        if self._circle is None:
            raise ValueError(
                f"channel {self.name!r} was made by no server: server.channel(name) gives the server's own"
            )
        return self._circle

    def join(self, peer: Any, transport: WriteTransport) -> Member:
        """A new member that is offered everything flushed from now on."""
        member = Member(self, peer)
        self.ready[member] = transport
        return member

    def leave(self, member: Member) -> None:
        """Offer `member` nothing more. What it was offered before, its peer's outbox still takes."""
        self.ready.pop(member, None)
        self.idle.pop(member, None)
        cursor, member.cursor = member.cursor, None
        if cursor is not None:
            cursor.stop(self.bytes, self.messages)
            self._took(member)

    def fall_behind(self, member: Member) -> None:
        """`member` has been given all that was flushed; its peer can take no more for now."""
        self.idle[member] = None
        del self.ready[member]

    def emptied(self, member: Member) -> None:
        """Of `member`, which is behind, nothing waits here any more."""
        self.idle[member] = None
        member.cursor = None
        self._took(member)

    def catch_up(self, member: Member, transport: WriteTransport) -> None:
        """`member`, of whom nothing waits here, keeps up again."""
        self.ready[member] = transport
        self.idle.pop(member, None)

    def _took(self, member: Member) -> None:
        self.behind.pop(member, None)
        if not self.behind:
            self._tail = None

    def _keep(self, batch: Batch) -> None:
        woken = [member for member in self.idle if not _all_its_own(batch, member)]
        if woken or self.behind:
            self._append(batch, woken)

    def _give_up(self) -> None:
        try:
            for member in (*self.behind, *self.idle):
                member.peer.abort(CloseReason.MEMORY)
        finally:
            self._tail = None

    def _append(self, batch: Batch, woken: list[Member]) -> None:
        """Append `batch` to the backlog, and give each of `woken` a cursor that finds it ahead."""
        size = len(batch.blob)
        link = self._tail
        if link is None or (link.segment.size + size > SEGMENT and link.segment.size):
            segment = Segment(batch.start, self.messages - batch.messages, size >= WIDE)
            following = Link(segment)
            if link is not None:
                link.segment.blob()  # now one object instead of one for each batch
                link.next = following
            link = self._tail = following
        segment = link.segment
        at = segment.size
        batch.cost = segment.add(batch.blob, batch.runs, batch.messages, batch.largest)
        for member in woken:
            cursor = Cursor(member, link, batch.start, self.messages - batch.messages)
            member.peer.outbox.add(cursor)
            member.cursor = cursor
            self.behind[member] = None
            del self.idle[member]
        for member in batch.senders:
            if member.cursor is not None:
                for start, end, count in member.own:
                    batch.cost += member.cursor.skip(segment, at + start, at + end, count)


def _all_its_own(batch: Batch, member: Member) -> bool:
    return member.own_end > 0 and sum([end - start for start, end, _ in member.own]) == len(batch.blob)
