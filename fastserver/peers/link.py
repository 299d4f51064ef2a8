"""The link: a peer's way to the kernel. Nothing else writes to a connection, ends our half of it, or closes it.

Rules:
- A transport only reads. A write of its own that fails makes it close with what the peer had sent still unread, so
  everything is sent beneath it, and readiness to take more is asked of the system in a selector of our own.
- After a write has failed, nothing more is written, and the peer is read to the end of its stream.
- A connection that is closed with bytes its peer has not taken is reset: the end of the stream would pass half a
  message off as a whole one, and the kernel would keep those bytes for minutes.
- A transport that is no plain socket has no descriptor (-1): then the same goes through the transport.

Compiled where a compiler is, since each connection has one and its numbers are smaller so; the types are in the `.pxd`
beside it (see `fastserver.compiled`).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from fastserver.fanout.parts import Part
from fastserver.framing.framing import Splitter
from fastserver.kernel import borrowed, kernel_memory, unacknowledged

TCP_CLOSE: Final = 7
"""The state of a connection that was reset, first byte of struct tcp_info (linux/tcp.h)."""

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, 0 s."""


class Owner(Protocol):
    """The peer that a link belongs to."""

    def resume_writing(self) -> None:
        """All that the link was given has been passed on."""

    def write_failed(self) -> None:
        """The link could not go on with what it was given: `error` says why."""


class _Nobody:
    """The owner of a link whose peer is gone."""

    def resume_writing(self) -> None: ...

    def write_failed(self) -> None: ...


NOBODY: Final = _Nobody()


class Given:
    """The last that a link was given: `parts`, how many messages are in them, how many bytes at their end are `unsent`.
    Once there is one, to write needs no memory.
    """

    __slots__ = ("messages", "parts", "unsent")

    def __init__(self, parts: Sequence[Part], messages: int, unsent: int) -> None:
        self.parts = parts
        self.messages = messages
        self.unsent = unsent


class Link:
    """The way to the kernel of one peer, its `owner`, over `transport`."""

    __slots__ = ("_given", "_owner", "descriptor", "error", "finished", "transport")

    def __init__(self, owner: Owner, transport: asyncio.Transport, descriptor: int = -1) -> None:
        self.transport = transport
        self.descriptor = descriptor
        """The socket that may be sent to beneath the transport while nothing is held; -1: none."""
        self.error = 0
        """The error number of a write that failed. From then on nothing more is written."""
        self.finished = False
        """Our half of the stream has ended."""
        self._owner = owner
        self._given: Given | None = None

    @property
    def stuck(self) -> bool:
        """Whether it holds bytes that the kernel has not taken, and is to pass them on."""
        return self._given is not None and self._given.unsent > 0 and not self.error

    @property
    def held(self) -> Sequence[Part]:
        """The parts that it was given last and has not passed on whole."""
        return () if self._given is None else self._given.parts

    @property
    def unsent(self) -> int:
        """Bytes of messages that it was given and has not passed on."""
        return 0 if self._given is None else self._given.unsent

    def write(self, parts: Sequence[Part], messages: int = 0) -> None:
        """Pass on `parts`, which hold so many messages, after what was written before. Afterwards it is `stuck`, if not
        all of it was taken yet, or `error` is set, or nothing is held.
        """
        raise NotImplementedError

    def forget(self) -> None:
        """Pass on nothing more of the bytes that were written. The books have them until `drop`."""
        raise NotImplementedError

    def end(self) -> None:
        """End our half of the stream; everything written was taken."""
        raise NotImplementedError

    def hold(self, parts: Sequence[Part], messages: int) -> None:
        """Take what is held for the end of `parts`, with so many messages: their beginning was sent beneath it."""
        if self._given is not None:
            self._given.parts, self._given.messages = parts, messages

    def _take(self, parts: Sequence[Part], messages: int) -> Given:
        """Keep `parts` after what is held."""
        size = sum(map(len, parts))
        given = self._given
        if given is None:
            given = self._given = Given(parts, messages, size)
        elif given.unsent:
            given.parts = (*given.parts, *parts)
            given.messages += messages
            given.unsent += size
        else:
            given.parts, given.messages, given.unsent = parts, messages, size
        return given

    def passed_on(self) -> None:
        """The kernel has taken everything."""
        if self._given is not None:
            self._given.parts, self._given.messages, self._given.unsent = (), 0, 0

    def pending(self, splitter: Splitter) -> tuple[int, int]:
        """Messages and bytes that it was given and has not passed on; a message counts until its last byte is taken.
        `splitter` is a new one of the framing.
        """
        left, given = self.unsent, self._given
        if given is None or not left:
            return 0, 0
        # A splitter knows how many messages are whole in what was taken: what was given begins and ends between two.
        taken = sum(map(len, given.parts)) - left
        whole = 0
        for part in given.parts:
            splitter.feed(part[:taken])
            whole += splitter.count
            taken -= len(part)
            if taken <= 0:
                break
        return given.messages - whole, left

    def drop(self) -> None:
        """Hold nothing, whether it was passed on or not."""
        self._given = None

    def close(self) -> None:
        """Close the connection, of which both halves have ended."""
        self.transport.close()

    def abort(self, reset: bool) -> None:
        """Close the connection at once, with a reset so that the kernel forgets what was not taken, or without."""
        if reset:
            self.reset()
        self.transport.abort()

    def reset(self) -> None:
        """Have the close that follows reset the connection."""
        sock = self.transport.get_extra_info("socket")
        if hasattr(sock, "setsockopt"):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def release(self) -> None:
        """The connection is gone: know the peer no more, so that it is freed without the garbage collector."""
        self.forget()
        self.drop()
        self.descriptor = -1
        self._owner = NOBODY

    def limit(self, size: int) -> None:
        """Have the kernel hold at most `size` bytes."""
        if self.descriptor >= 0:
            with suppress(OSError), borrowed(self.descriptor) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    # The reading of the connection.

    @property
    def closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self.transport.is_closing()

    @property
    def name(self) -> Any:
        """The address of the other end, as the socket module has it."""
        return self.transport.get_extra_info("peername")

    @property
    def number(self) -> int:
        """The number of its descriptor in the process; -1 if it has none."""
        number: int = self.transport.get_extra_info("socket").fileno()
        return number

    @property
    def can_end(self) -> bool:
        """Whether our half can end without the other."""
        return self.transport.can_write_eof()

    def pause_reading(self) -> None:
        """Read nothing, unless the connection is closing."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on, unless the connection is closing."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def read_for(self, protocol: asyncio.Protocol) -> None:
        """Have `protocol` told what is read, and what becomes of the connection."""
        self.transport.set_protocol(protocol)

    # The kernel's side.

    @property
    def unacknowledged(self) -> int:
        """Bytes of messages that the kernel took and the other system has not acknowledged, as far as can be told."""
        if self.descriptor < 0:
            return 0
        size = unacknowledged(self.descriptor)
        return size - 1 if self.finished and size else size  # our end of stream counts as one

    @property
    def kernel_memory(self) -> int:
        """Memory that the kernel holds of what it took and nobody acknowledged, bytes, as far as can be told."""
        return 0 if self.descriptor < 0 else kernel_memory(self.descriptor)

    @property
    def over(self) -> bool:
        """Whether the TCP connection has ended for the kernel, so that nothing more will be acknowledged."""
        try:
            with borrowed(self.descriptor) as sock:
                return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE
        except OSError:
            return True
