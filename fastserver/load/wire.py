"""How a server is spoken to: what the load has to know of a protocol, and nothing of sockets.

A server of another kind takes one subclass of `Wire` at the top level of a module that can be imported, since the
processes of the load get it pickled. The three framings of our own server are `WIRES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastserver.config.listener import Role
from fastserver.config.setting import GIB
from fastserver.framing import FRAMINGS

__all__ = ["FILL", "SMALLEST", "WIRES", "Cut", "LinesWire", "MsgpackStreamWire", "MsgpackWire", "Role", "Wire"]

FILL: Final = b"x"
"""What payloads are filled with."""

SMALLEST: Final = 8
"""Bytes of the smallest payload: the stamp that says whose and which it is, and a msgpack header."""

Cut = Callable[[bytes], list[bytes]]
"""Takes the next bytes of one stream, gives the payloads they complete."""


@dataclass(frozen=True)
class Wire:
    """A protocol in which a frame's length depends on its payload's length alone.

    What is here suits a server that passes on what it gets, verbatim and without a greeting. A connection's `role`
    is seen from the server, as `--listen` has it: `SEND` publishes, `RECEIVE` subscribes, `BOTH` does both.
    """

    name: str
    echo: bool = False
    """Whether a sender hears its own messages."""
    overhears: bool = True
    """Whether what a `SEND` connection receives are messages of the others. If not, it is read and thrown away, such
    as the answers to its own."""
    both: bool = True
    """Whether one connection can do both. If not, all-to-all has two for each peer, and each peer hears itself."""
    ping: bytes = b""
    """What the server sends between frames now and then, of its own accord; no payload may contain it."""
    pong: bytes = b""
    """What it wants to hear in answer to that."""

    def hello(self, role: Role, number: int) -> bytes:
        """What the connection sends first; `number` is another for each connection of a run."""
        return b""

    def ready(self, role: Role, received: bytes) -> bool:
        """Whether `received`, all there is so far, is the whole answer to `hello`. ValueError if it is a refusal."""
        return True

    def payload(self, size: int, stamp: bytes = b"") -> bytes:
        """A payload of exactly `size` bytes (at least `SMALLEST`) that ends with `stamp`, at most 6 printable ones."""
        return stamp.rjust(size, FILL)

    def publish(self, payload: bytes) -> bytes:
        """What a sender sends for it."""
        raise NotImplementedError

    def deliver(self, payload: bytes) -> bytes:
        """What each receiver gets for it."""
        return self.publish(payload)

    def cut(self) -> Cut:
        """Takes a receiver's stream apart, from behind the answer to `hello`. ValueError if it cannot be one."""
        raise NotImplementedError


@dataclass(frozen=True)
class LinesWire(Wire):
    """Lines that end with LF; `end` may be b"\\r\\n"."""

    name: str = "lines"
    end: bytes = b"\n"

    def publish(self, payload: bytes) -> bytes:
        return payload + self.end

    def cut(self) -> Cut:
        return _cut("lines")


@dataclass(frozen=True)
class MsgpackStreamWire(Wire):
    """Msgpack objects back to back. A payload is one `bin` object, its header included in its size."""

    name: str = "msgpack-stream"

    def payload(self, size: int, stamp: bytes = b"") -> bytes:
        for code, width in ((0xC4, 1), (0xC5, 2), (0xC6, 4)):
            length = size - 1 - width
            if length < 1 << 8 * width:
                return bytes([code]) + length.to_bytes(width, "big") + stamp.rjust(length, FILL)
        raise ValueError(f"a payload of {size} bytes is too long")

    def publish(self, payload: bytes) -> bytes:
        return payload

    def cut(self) -> Cut:
        return _cut("msgpack-stream")


@dataclass(frozen=True)
class MsgpackWire(MsgpackStreamWire):
    """The same with a 4-byte big-endian length before each."""

    name: str = "msgpack"

    def publish(self, payload: bytes) -> bytes:
        return len(payload).to_bytes(4, "big") + payload

    def cut(self) -> Cut:
        return _cut("msgpack")


def _cut(mode: str) -> Cut:
    splitter = FRAMINGS[mode].splitter(GIB)
    return lambda data: [message.payload for message in splitter.messages(splitter.feed(data), None)]


WIRES: Final[dict[str, Wire]] = {wire.name: wire for wire in (LinesWire(), MsgpackWire(), MsgpackStreamWire())}
"""Those of our own server, by the name of the framing."""
