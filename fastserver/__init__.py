"""fastserver: a TCP server that passes every message to everyone connected."""

import typing

from fastserver import compiled as compiled  # first: it decides how the others are found
from fastserver.config.config import Config
from fastserver.errors import CloseReason, ConfigError, FastserverError, FrameError, ListenError
from fastserver.figures import Figures
from fastserver.peers.peer import Peer
from fastserver.server import Server

if typing.TYPE_CHECKING:
    from typing_extensions import TypeVar

    from fastserver.client.blocking import BlockingClient
    from fastserver.client.client import Client
    from fastserver.fanout.channel import Channel as _Channel

    _P = TypeVar("_P", default=Peer)
    _S = TypeVar("_S", default=Peer, covariant=True)

    @typing.runtime_checkable
    class Message(typing.Protocol[_S]):
        """A message as handlers get it, from a `Peer` where nothing else is said. An alias with such a default would be
        no class to type checkers, so that `isinstance` did not take it.
        """

        @property
        def peer(self) -> _S: ...

        @property
        def frame(self) -> bytes: ...

        @property
        def payload(self) -> bytes: ...

        @property
        def value(self) -> typing.Any: ...

        def broadcast(self) -> None: ...

    Channel = _Channel[_P]
    """A channel, whose peers are a `Peer` each where nothing else is said."""
else:
    from fastserver.fanout.channel import Channel
    from fastserver.framing import Message

__all__ = [
    "BlockingClient",
    "Channel",
    "Client",
    "CloseReason",
    "Config",
    "ConfigError",
    "FastserverError",
    "Figures",
    "FrameError",
    "ListenError",
    "Message",
    "Peer",
    "Server",
]


def __getattr__(name: str) -> object:
    """The clients, imported when they are asked for: a server needs none."""
    if name == "Client":
        from fastserver.client.client import Client

        return Client
    if name == "BlockingClient":
        from fastserver.client.blocking import BlockingClient

        return BlockingClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
