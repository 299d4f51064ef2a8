"""The link of a peer whose bytes only its transport passes on: there is no plain socket, or it cannot be watched."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import suppress

from fastserver.fanout.parts import Part
from fastserver.peers.link import Link


class TransportLink(Link):
    """The link of a peer whose bytes only its transport can pass on. Its high-water mark is 0, so that it tells when it
    has passed on everything.
    """

    __slots__ = ()

    @property
    def unsent(self) -> int:
        given = self._given
        if given is None:
            return 0
        if given.unsent and not self.error and not self.closing:  # a transport that is closing does not tell
            given.unsent = self.transport.get_write_buffer_size()
        return given.unsent

    def write(self, parts: Sequence[Part], messages: int = 0) -> None:
        given = self._take(parts, messages)
        if self.error:
            return
        if self.closing:
            self.error = errno.ENOTCONN
            return
        # Not `writelines`: that of the standard loop of Python 3.12 and 3.13 forgets to pause.
        self.transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
        if self.closing:
            self.error = errno.EPIPE
            return
        given.unsent = self.transport.get_write_buffer_size()
        if not given.unsent:
            self.passed_on()

    def forget(self) -> None:
        pass  # only an abort takes back what a transport was given

    def end(self) -> None:
        self.finished = True
        with suppress(OSError, RuntimeError):
            if self.can_end and not self.closing:
                self.transport.write_eof()
