"""A channel: a set of peers that receive the same messages in the same order, whatever framing they speak."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, cast
from weakref import ref

from fastserver.fanout.member import Member, Receiver
from fastserver.fanout.view import View

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from fastserver.figures import Figures
    from fastserver.framing import Message
    from fastserver.framing.framing import Framing
    from fastserver.framing.packer import Packer

    P = TypeVar("P", default=Any)
else:
    from typing import TypeVar

    P = TypeVar("P")


class Publisher(Protocol):
    """Brings messages to the members of views."""

    def publish(
        self, view: View, sender: Member | None, frames: bytes, messages: int, number: int = ..., /
    ) -> object: ...

    def publish_past(self, view: View, left_out: Sequence[Receiver], frame: bytes, /) -> object:
        """Bring one message to all but several peers."""


class Listening(Protocol):
    """The messages of a channel from now on, within this process. `close` ends it, and so does the end of a `with`
    block.
    """

    def __aiter__(self) -> Listening: ...

    async def __anext__(self) -> Message[None]: ...

    def __enter__(self) -> Listening: ...

    def __exit__(self, *_: object) -> None: ...

    def figures(self) -> Figures:
        """Its figures: what it was offered, took and missed."""

    def close(self) -> None:
        """Receive nothing more; what waits is dropped."""


class Circle(Protocol):
    """The server of a channel, as far as the channel depends on it."""

    @property
    def tick(self) -> Publisher: ...

    @property
    def packer(self) -> Packer:
        """Puts values into wire form."""

    @property
    def call_threadsafe(self) -> Callable[..., object]:
        """Calls a function in the server's loop, from another thread."""

    @property
    def listening(self) -> Container[object]:
        """The peers that are no connections, but listen in this process."""

    @property
    def listen(self) -> Callable[[Channel[Any]], Listening]:
        """Listens to a channel within this process. Raises RuntimeError unless the server runs."""


class Channel(Generic[P]):
    """A set of peers that receive the same messages in the same order.

    It has a view for each framing that is in use in it. The members hold their views, so that a view is gone with the
    last of them. `circle` is its server; a channel without one has no use but to hold views.
    """

    __slots__ = ("__weakref__", "_circle", "_source", "_views", "name")

    def __init__(self, name: str, circle: Circle | None = None) -> None:
        self.name = name
        self._circle = circle
        self._views: tuple[ref[View], ...] = ()
        # The view through which the program broadcasts, where no member speaks its framing: kept while there are any.
        self._source: View | None = None

    # For everyone.

    @property
    def peers(self) -> list[P]:
        """The peers in it."""
        members = [member for view in self.views for member in (*view.ready, *view.behind, *view.idle)]
        peers = [cast(P, member.peer) for member in members]  # all peers of one server are of one class
        if self._circle is None or not self._circle.listening:
            return peers
        return [peer for peer in peers if peer not in self._circle.listening]

    def broadcast(self, value: Any, exclude: P | Iterable[P] | None = None) -> None:
        """Send one message to all of its peers but `exclude`, one or several: bytes-like in lines mode, any packable
        value in the msgpack modes. Peers of other framings than the server's `mode` get its translation.

        Raises `TypeError` or `ValueError` for what cannot be a message, and for an `exclude` that is no peer of this
        server.
        """
        self._broadcast(self._own_circle.packer.frame(value), self._excluded(exclude))

    def broadcast_packed(self, payload: bytes, exclude: P | Iterable[P] | None = None) -> None:
        """`broadcast` one message that is packed already."""
        self._broadcast(self._own_circle.packer.frame_packed(payload), self._excluded(exclude))

    def broadcast_threadsafe(self, value: Any, exclude: P | Iterable[P] | None = None) -> None:
        """`broadcast` from another thread."""
        circle = self._own_circle
        circle.call_threadsafe(self._broadcast, circle.packer.frame(value), self._excluded(exclude))

    def listen(self) -> Listening:
        """The messages of the channel from now on, within this process: `async for message in channel.listen()`.

        It is bounded as a peer is: more than `max_pending` behind, `slow_consumer` says what becomes of it. Raises
        RuntimeError unless the server runs.
        """
        return self._own_circle.listen(self)

    # For the server and its peers.

    @property
    def views(self) -> list[View]:
        """Its views."""
        return [view for one in self._views if (view := one()) is not None]

    def view(self, framing: Framing) -> View:
        """Its view in that framing, a new one if there is none. It lasts as long as someone holds it."""
        for one in self._views:
            view = one()
            if view is not None and view.framing is framing:
                return view
        view = View(framing, self)
        self._views = (*[one for one in self._views if one() is not None], ref(view))
        self.regroup()
        return view

    def regroup(self) -> None:
        """Tell all views which others have members: it is those that messages are translated for."""
        views = self.views
        for view in views:
            view.others = tuple([other for other in views if other.members and other is not view])
        if not any(view.members for view in views):
            self._source = None

    def check_of(self, circle: object) -> None:
        """Raises ValueError if it is no channel of that server."""
        if self._own_circle is not circle:
            raise ValueError(f"channel {self.name!r} is one of another server")

    def _broadcast(self, frame: bytes, excluded: tuple[Receiver, ...]) -> None:
        circle = self._own_circle
        view = self.view(circle.packer.framing)
        if view.others and not view.members:
            self._source = view
        only = excluded[0].member_of(self) if len(excluded) == 1 else None
        if not excluded:
            circle.tick.publish(view, None, frame, 1)
        elif only is not None and only.view is view:
            circle.tick.publish(view, only, frame, 1)
        else:
            circle.tick.publish_past(view, excluded, frame)

    def _excluded(self, exclude: Any) -> tuple[Receiver, ...]:
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
            if peer.hub is not self._own_circle:
                raise ValueError(f"exclude: {peer!r} is connected to another server than that of the channel")
        checked: tuple[Receiver, ...] = peers
        return checked

    @property
    def _own_circle(self) -> Circle:
        if self._circle is None:
            raise ValueError(
                f"channel {self.name!r} was made by no server: server.channel(name) gives the server's own"
            )
        return self._circle
