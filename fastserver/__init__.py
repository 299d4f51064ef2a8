"""fastserver: a TCP server that passes every message to everyone connected."""

import typing

from fastserver.channel import Channel
from fastserver.config import Config
from fastserver.errors import CloseReason, ConfigError, FastserverError, FrameError, ListenError
from fastserver.figures import Figures
from fastserver.framing import Message
from fastserver.peer import Peer
from fastserver.server import Server

if typing.TYPE_CHECKING:
    from fastserver.blocking import BlockingClient
    from fastserver.client import Client

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
        from fastserver.client import Client

        return Client
    if name == "BlockingClient":
        from fastserver.blocking import BlockingClient

        return BlockingClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
