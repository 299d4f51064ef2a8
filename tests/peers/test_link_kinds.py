"""The contract of a link, for both kinds: over a transport that takes bytes late, and to a socket beneath it."""

from __future__ import annotations

import pytest
from support.simulation import Simulation, Transport
from support.socketpairs import NETWORKS

from fastserver.peers.peer import Peer
from fastserver.peers.socketlink import SocketLink
from fastserver.peers.transportlink import TransportLink

LINE = b"x" * 9_999 + b"\n"
MANY = 1 << 40


@pytest.fixture(params=NETWORKS, ids=["transport", "socket"])
def network(request: pytest.FixtureRequest) -> Simulation:
    simulation: Simulation = request.param(log_messages=0, message_timeout=None)
    return simulation


def stuck(network: Simulation) -> tuple[Peer, Transport]:
    """A peer that reads nothing, and whose link holds the end of ten messages."""
    peer, transport = network.connect(0)
    peer.link.write([LINE] * 10, 10)
    assert peer.link.stuck
    return peer, transport


def test_each_kind_is_used(network: Simulation) -> None:
    peer, _ = network.connect()
    assert type(peer.link) is TransportLink or isinstance(peer.link, SocketLink)
    assert (peer.link.descriptor >= 0) is isinstance(peer.link, SocketLink)


def test_what_is_taken_at_once_is_not_held(network: Simulation) -> None:
    peer, transport = network.connect()
    peer.link.write([b"one\n", b"two\n"], 2)
    assert not peer.link.stuck
    assert peer.link.unsent == 0
    assert not peer.link.held
    assert transport.sent == b"one\ntwo\n"


def test_what_is_not_taken_is_counted_to_the_byte(network: Simulation) -> None:
    peer, transport = stuck(network)
    taken = len(transport.sent)
    assert peer.link.unsent == 100_000 - taken
    assert peer.link.pending(network.server.packer.framing.resplitter()) == (10 - taken // 10_000, 100_000 - taken)
    transport.give_room(15_000)
    taken = len(transport.sent)
    assert peer.link.unsent == 100_000 - taken
    assert peer.link.pending(network.server.packer.framing.resplitter())[0] == 10 - taken // 10_000
    transport.give_room(MANY)
    assert not peer.link.stuck
    assert peer.link.pending(network.server.packer.framing.resplitter()) == (0, 0)
    assert transport.sent == LINE * 10


def test_what_is_written_while_it_is_stuck_comes_behind(network: Simulation) -> None:
    peer, transport = stuck(network)
    peer.link.write([b"the last\n"], 1)
    assert peer.link.pending(network.server.packer.framing.resplitter())[0] == 11 - len(transport.sent) // 10_000
    transport.give_room(MANY)
    assert transport.sent == LINE * 10 + b"the last\n"


def test_what_a_link_holds_can_be_the_end_of_more(network: Simulation) -> None:
    peer, transport = stuck(network)
    peer.link.hold([b"sent beneath\n", *[LINE] * 10], 11)
    taken = len(transport.sent)
    assert peer.link.pending(network.server.packer.framing.resplitter()) == (10 - taken // 10_000, 100_000 - taken)
    transport.give_room(MANY)
    assert transport.sent == LINE * 10


def test_after_an_error_nothing_more_is_written_but_it_stays_in_the_books_until_it_is_dropped(
    network: Simulation,
) -> None:
    peer, transport = network.connect()
    transport.vanish()
    peer.link.write([LINE], 1)
    assert peer.link.error
    assert not peer.link.stuck
    assert peer.link.pending(network.server.packer.framing.resplitter()) == (1, 10_000)
    peer.link.write([LINE], 1)
    assert peer.link.pending(network.server.packer.framing.resplitter()) == (2, 20_000)
    assert transport.sent == b""
    peer.link.drop()
    assert peer.link.pending(network.server.packer.framing.resplitter()) == (0, 0)


def test_a_peer_that_cannot_take_everything_is_behind_and_catches_up(network: Simulation) -> None:
    peer, transport = network.connect(0)
    for _ in range(10):
        network.server.everyone.broadcast(LINE[:-1])
        network.server.tick.run()
    assert peer in network.server.tick.behind
    figures = peer.figures()
    assert figures.offered_bytes == 100_000
    assert figures.bytes_out == len(transport.sent)
    transport.give_room(MANY)
    assert peer not in network.server.tick.behind
    assert transport.sent == LINE * 10
    assert peer.figures().messages_out == 10


def test_our_half_ends_when_everything_is_taken(network: Simulation) -> None:
    peer, transport = stuck(network)
    peer.close()
    assert not peer.link.finished
    transport.give_room(MANY)
    assert peer.link.finished
    assert transport.sent == LINE * 10
    peer.eof_received()
    network.loop.tick()
    assert peer.closed
    assert peer.figures().dropped_messages == 0


def test_an_abort_drops_what_is_held(network: Simulation) -> None:
    peer, transport = stuck(network)
    peer.offer(10, 100_000)
    taken = len(transport.sent)
    peer.abort()
    network.loop.tick()
    transport.give_room(MANY)
    assert peer.closed
    assert peer.figures().dropped_bytes == 100_000 - taken
    assert len(transport.sent) == taken
