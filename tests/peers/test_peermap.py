"""The peer map: ids, who is behind, and the figures of those that left."""

from __future__ import annotations

import gc
import weakref

from support.simulation import Simulation

from fastserver.peers.peer import Peer
from fastserver.peers.peermap import KEPT


def test_ids_count_up_and_the_map_holds_who_is_connected() -> None:
    simulation = Simulation()
    (one, first), (two, _) = simulation.connect(), simulation.connect()
    peers = simulation.server.peers
    assert [peer.id for peer in peers] == [1, 2]
    assert peers[2] is two
    first.reset()
    simulation.loop.tick()
    assert list(peers) == [two]
    assert 1 not in peers
    assert simulation.connect()[0].id == 3
    assert one.state == "closed"


def test_figures_of_the_newest_closed_peers_stay_and_nothing_else() -> None:
    simulation = Simulation(log_messages=0)
    simulation.connect()
    gone: list[weakref.ref[Peer]] = []
    for _ in range(KEPT + 5):
        peer, transport = simulation.connect()
        gone.append(weakref.ref(peer))
        transport.reset()
        simulation.loop.tick()
        del peer, transport
    peers = simulation.server.peers
    assert len(peers.closed) == KEPT
    assert peers.closed[0].id == 7
    assert peers.closed[-1].id == KEPT + 6
    assert peers.reasons == {"reset": KEPT + 5}
    simulation.loop.advance(10.0)
    gc.collect()
    assert not any(reference() for reference in gone)


def test_totals_cover_those_that_left() -> None:
    simulation = Simulation()
    (one, first), _ = simulation.connect(), simulation.connect()
    one.data_received(b"a\nb\n")
    simulation.loop.tick()
    first.reset()
    simulation.loop.tick()
    totals = simulation.server.peers.totals()
    assert (totals.messages_in, totals.messages_out, totals.bytes_in) == (2, 2, 4)
