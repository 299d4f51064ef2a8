"""A line broadcast with Twisted's `LineReceiver`: `python receiver.py PORT`.

On its default reactor (epoll on Linux). The end of the line is added once, not by `sendLine` for each receiver.
Twisted itself joins what is written in one turn of the reactor into one `send`.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import protocol, reactor
from twisted.protocols.basic import LineReceiver

peers: set[Peer] = set()


class Peer(LineReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 1024 * 1024
    transport: Any

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        peers.add(self)

    def lineReceived(self, line: bytes) -> None:
        frame = line + b"\n"
        for peer in peers:
            if peer is not self:
                peer.transport.write(frame)

    def connectionLost(self, *_: Any) -> None:
        peers.discard(self)


if __name__ == "__main__":
    running: Any = reactor
    running.listenTCP(int(sys.argv[1]), protocol.Factory.forProtocol(Peer), backlog=4096, interface="127.0.0.1")
    running.run()
