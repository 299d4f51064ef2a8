"""A peer in Twisted, with one of its own receivers: sends every line of standard input as a string, and writes every
string that it receives to standard output, as a line.

    python twisted_peer.py PORT RECEIVER
"""

from __future__ import annotations

import sys

from twisted.internet import protocol, reactor, stdio
from twisted.protocols import basic

PORT, RECEIVER = int(sys.argv[1]), sys.argv[2]


class Input(basic.LineOnlyReceiver):
    """Standard input."""

    delimiter = b"\n"

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def lineReceived(self, line: bytes) -> None:
        self.peer.sendString(line)


class Peer(getattr(basic, RECEIVER)):  # type: ignore[misc]
    """The connection."""

    def connectionMade(self) -> None:
        stdio.StandardIO(Input(self))

    def stringReceived(self, string: bytes) -> None:
        sys.stdout.buffer.write(string + b"\n")
        sys.stdout.flush()

    def connectionLost(self, reason: object = None) -> None:
        reactor.stop()


class Connect(protocol.ClientFactory):
    """Makes the connection."""

    protocol = Peer


reactor.connectTCP("127.0.0.1", PORT, Connect())
reactor.run()
