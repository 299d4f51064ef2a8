"""The command, and its books: `python bookkeeper.py BOOKS python -m fastserver OPTIONS`.

Into the file BOOKS it writes the figures of every peer that is gone, in JSON, one on a line, and at the end the totals.
"""

from __future__ import annotations

import json
import runpy
import sys

import fastserver.server
from fastserver.peers.figures import Figures
from fastserver.peers.peer import Peer
from fastserver.peers.peermap import PeerMap

with open(sys.argv[1], "w", encoding="ascii") as books:

    class Books(PeerMap):
        """Writes down who leaves."""

        def remove(self, peer: Peer) -> Figures:
            figures = super().remove(peer)
            print(json.dumps(vars(figures)), file=books)
            return figures

    peers = Books()
    fastserver.server.PeerMap = lambda: peers  # type: ignore[assignment,attr-defined]
    del sys.argv[1:5]
    try:
        runpy.run_module("fastserver", run_name="__main__", alter_sys=True)
    finally:
        print(json.dumps(vars(peers.totals())), file=books)
