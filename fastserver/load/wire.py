"""The wire: the protocol that a server speaks, as far as the load has to know it, without sockets.

A server of another kind needs a subclass of `Wire`, at the top level of a module that can be imported, since the
processes of the load get it pickled. The wires of our own server are `framing_wire` and `WIRES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from fastserver.config.listener import Role
from fastserver.config.setting import GIB
from fastserver.framing import FRAMINGS, registry
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.registry import DEFAULT_MODE

__all__ = ["SMALLEST", "WIRES", "Cut", "FramingWire", "Role", "Wire", "framing_wire"]

SMALLEST: Final = 9
"""Bytes of the smallest payload: a stamp, and a msgpack header or a priority as syslog has it."""

framing = cache(registry.framing)  # since wires, which are sent to other processes, have its word alone

Cut = Callable[[bytes], list[bytes]]
"""Takes the next bytes of one stream, gives the payloads they complete."""


@dataclass(frozen=True)
class Wire:
    """A protocol in which a frame's length depends on its payload's length alone.

    The defaults suit a server that passes messages on verbatim, without a greeting. A connection's `role` is seen from
    the server, as `--listen` has it: `SEND` publishes, `RECEIVE` subscribes, `BOTH` does both.
    """

    name: str
    echo: bool = False
    """True if a sender gets its own messages back."""
    unsolicited: bool = True
    """True if a `SEND` connection receives the messages of the others. If not, everything it receives, such as answers
    to its own messages, is read and thrown away."""
    both: bool = True
    """True if one connection can do both. If not, all-to-all has two for each peer, which gets its own messages too."""
    ping: bytes = b""
    """Bytes that the server sends between frames of its own accord; no payload may contain them."""
    pong: bytes = b""
    """The answer that the server expects to a ping."""

    def hello(self, role: Role, number: int) -> bytes:
        """The bytes that the connection sends first; each connection of a run has a `number` of its own."""
        return b""

    def ready(self, role: Role, received: bytes) -> bool:
        """True if `received`, all there is so far, is the whole answer to `hello`. ValueError if it is a refusal."""
        return True

    def payload(self, size: int, stamp: bytes = b"") -> bytes:
        """A payload of exactly `size` bytes (at least `SMALLEST`) that ends with `stamp`, at most 6 printable ones."""
        return BYTES.sized(size, stamp)

    def publish(self, payload: bytes) -> bytes:
        """The bytes that a sender sends for `payload`."""
        raise NotImplementedError

    def deliver(self, payload: bytes) -> bytes:
        """The bytes that each receiver gets for `payload`."""
        return self.publish(payload)

    def cut(self) -> Cut:
        """Cuts a receiver's stream, after the answer to `hello`, into payloads. Raises ValueError if it is invalid."""
        raise NotImplementedError


@dataclass(frozen=True)
class FramingWire(Wire):
    """The wire of a server that speaks one of our framings, by its word: `mode`."""

    name: str = DEFAULT_MODE
    mode: str = DEFAULT_MODE

    def payload(self, size: int, stamp: bytes = b"") -> bytes:
        return framing(self.mode).codec.sized(size, stamp)

    def publish(self, payload: bytes) -> bytes:
        return framing(self.mode).frame(payload)

    def cut(self) -> Cut:
        splitter = framing(self.mode).written(GIB)
        return lambda data: [message.payload for message in splitter.messages(splitter.feed(data), None)]


def framing_wire(mode: str) -> FramingWire:
    """The wire of a server of ours that speaks `mode`, such as `lines?eol=crlf`. Raises ValueError if there is none."""
    name = framing(mode).name
    return FramingWire(name, mode=name)


WIRES: Final[dict[str, Wire]] = {mode: framing_wire(mode) for mode in FRAMINGS}
"""The wires of our own server, by the names of its framings."""
