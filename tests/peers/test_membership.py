"""The memberships of a peer: found by channel, in the order in which it joined, and in its books when it left."""

from __future__ import annotations

import pytest
from support.simulation import Simulation

from fastserver.peers.membership import FEW, hear_again, miss, missing


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 3 * FEW])
def test_channels_are_found_and_left_however_many(count: int) -> None:
    simulation = Simulation(log_messages=0)
    peer, transport = simulation.connect()
    channels = [simulation.server.channel(f"{number}") for number in range(count)]
    for channel in channels:
        peer.join(channel)
    assert peer.channels == channels
    assert [member.channel for member in peer.members] == [simulation.server.everyone, *channels]
    for channel in [simulation.server.everyone, *channels]:
        member = peer.member_of(channel)
        assert member is not None
        assert member.channel is channel
    assert peer.member_of(simulation.server.channel("another")) is None
    for channel in channels:
        channel.broadcast(b"told")
        peer.leave(channel)
    assert peer.channels == []
    assert [member.channel for member in peer.members] == [simulation.server.everyone]
    assert peer.offered() == (count, 5 * count)
    assert transport.sent == b"told\n" * count


def test_a_peer_in_one_channel_alone_has_nothing_but_its_member() -> None:
    simulation = Simulation(log_messages=0)
    peer, _ = simulation.connect()
    assert peer.memberships is None
    assert peer.members == (peer.member,)
    peer.leave(simulation.server.everyone)
    assert peer.members == ()
    assert peer.member is None
    peer.join(simulation.server.everyone)
    assert peer.members == (peer.member,)


def test_a_peer_that_misses_gets_nothing_and_all_of_it_counts_as_dropped() -> None:
    simulation = Simulation(log_messages=0)
    peer, transport = simulation.connect(0)
    room = simulation.server.channel("room")
    peer.join(room)
    room.broadcast(b"before")
    simulation.loop.tick()
    miss(peer)
    assert missing(peer)
    for channel in (room, simulation.server.everyone):
        channel.broadcast(b"missed")
    late = simulation.server.channel("late")
    peer.join(late)
    late.broadcast(b"missed")
    simulation.loop.tick()
    assert peer.dropped == (3, 21)
    hear_again(peer)
    assert not missing(peer)
    late.broadcast(b"after")
    simulation.loop.tick()
    transport.give_room(1 << 40)
    assert transport.sent == b"before\nafter\n"
    assert peer.past.skipped == 3
    assert peer.offered() == (5, 34)
    assert peer.dropped == (3, 21)
