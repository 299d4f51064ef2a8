"""fastserver: a TCP server that passes every message to everyone connected."""

from fastserver.blocking import BlockingClient
from fastserver.channel import Channel
from fastserver.client import Client
from fastserver.config import Config
from fastserver.errors import CloseReason, ConfigError, FastserverError, FrameError, ListenError
from fastserver.figures import Figures
from fastserver.framing import Message
from fastserver.peer import Peer
from fastserver.server import Server

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
