"""A link of a load: one connection."""

from __future__ import annotations

import socket

from support.load_servers import GreetedWire

from fastserver.load.link import Link
from fastserver.load.wire import Role


def test_pings_however_they_are_cut() -> None:
    """Pings are taken out and answered, bytes that only begin like one stay."""
    stream = b"PING\r\nMSG 1 a\nPING\r\nPING\r\nMSG 4 PING\nPI\nPING\r\nMSG 1 b\n"
    for size in (1, 2, 3, 5, 100):
        ours, theirs = socket.socketpair()
        link = Link((socket.AF_UNIX, ""), 0, Role.RECEIVE, GreetedWire())
        link.socket.close()
        link.socket = ours
        parts = [link.without_pings(stream[place : place + size]) for place in range(0, len(stream), size)]
        assert b"".join(parts) == stream.replace(b"PING\r\n", b"")
        ours.close()
        assert theirs.makefile("rb").read() == b"PONG\n" * 4
        theirs.close()
