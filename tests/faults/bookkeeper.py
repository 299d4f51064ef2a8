"""The command, and its books: `python bookkeeper.py BOOKS python -m fastserver OPTIONS`.

Into the file BOOKS it writes the figures of every peer that is gone, in JSON, one on a line, and at the end the totals.
"""

from __future__ import annotations

import json
import runpy
import sys

from fastserver.figures import Figures
from fastserver.log.log import Log
from fastserver.peers.peer import Peer
from fastserver.peers.peermap import PeerMap

begin, remove = PeerMap.__init__, PeerMap.remove
made: list[PeerMap] = []

with open(sys.argv[1], "w", encoding="ascii") as books:

    def begin_books(self: PeerMap, log: Log) -> None:
        made.append(self)
        begin(self, log)

    def write_down(self: PeerMap, peer: Peer) -> Figures:
        figures = remove(self, peer)
        print(json.dumps(vars(figures)), file=books)
        return figures

    PeerMap.__init__, PeerMap.remove = begin_books, write_down  # type: ignore[method-assign]
    del sys.argv[1:5]
    try:
        runpy.run_module("fastserver", run_name="__main__", alter_sys=True)
    finally:
        (peers,) = made
        print(json.dumps(vars(peers.totals())), file=books)
