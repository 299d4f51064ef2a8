"""What one peer receives has the order of the calls, whatever channels they were for, and whether it keeps up.

Random calls (`send`, `broadcast`, also of what a peer sent, `join`, `leave`, `close`) on a simulated network, against
a model that notes at each call who must get it.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from support.simulation import Simulation, Transport
from support.socketpairs import NETWORKS

from fastserver.framing import Messages
from fastserver.peers.peer import Peer

ROOMS = ["red", "green", "blue"]


class Known:
    """What the model knows of one peer."""

    def __init__(self, peer: Peer, transport: Transport) -> None:
        self.peer = peer
        self.transport = transport
        self.expected: list[bytes] = []
        self.rooms: set[str] = set()
        self.open = True


class Calls(RuleBasedStateMachine):
    """Random calls, and the model beside them."""

    network: type[Simulation] = Simulation
    peers: Bundle[Known] = Bundle("peers")
    reads: Bundle[tuple[Known, Messages]] = Bundle("reads")

    @initialize()
    def begin(self) -> None:
        self.simulation = self.network(max_pending=64 << 20, log_messages=0)
        self.server = self.simulation.server
        self.rooms = {name: self.server.channel(name) for name in ROOMS}
        self.known: list[Known] = []
        self.number = 0

    @rule(target=peers, room=st.one_of(st.just(1 << 40), st.integers(0, 300)))
    def connect(self, room: int) -> Known:
        self.tick()  # what is collected in this tick is for those who connect in it, too
        known = Known(*self.simulation.connect(room))
        self.known.append(known)
        return known

    def payload(self, size: int) -> bytes:
        self.number += 1
        return b"%d" % self.number + b"." * size

    @rule(known=peers, size=st.sampled_from([0, 10, 70_000]))
    def send(self, known: Known, size: int) -> None:
        payload = self.payload(size)
        assert known.peer.send(payload) == known.open
        if known.open:
            known.expected.append(payload + b"\n")

    @rule(name=st.sampled_from([*ROOMS, ""]), but=st.one_of(st.none(), peers), size=st.sampled_from([0, 10, 70_000]))
    def broadcast(self, name: str, but: Known | None, size: int) -> None:
        payload = self.payload(size)
        channel = self.rooms[name] if name else self.server.everyone
        channel.broadcast(payload, exclude=None if but is None else but.peer)
        for known in self.known:
            if known.open and known is not but and (not name or name in known.rooms):
                known.expected.append(payload + b"\n")

    @rule(known=peers, count=st.integers(1, 3))
    def speak(self, known: Known, count: int) -> None:
        """The peer sends messages of its own, which are broadcast."""
        if known.open:
            payloads = [self.payload(0) + b"\n" for _ in range(count)]
            known.peer.data_received(b"".join(payloads))
            for other in self.known:
                if other.open and other is not known:
                    other.expected += payloads

    @rule(target=reads, known=peers, count=st.integers(1, 5))
    def hear(self, known: Known, count: int) -> tuple[Known, Messages]:
        """A handler gets messages of the peer."""
        frames = b"".join([self.payload(0) + b"\n" for _ in range(count)])
        return known, known.peer.splitter.messages(frames, known.peer)

    @rule(read=reads, begin=st.integers(0, 4), count=st.integers(1, 5))
    def relay(self, read: tuple[Known, Messages], begin: int, count: int) -> None:
        """A handler broadcasts some of them, in a row or later or again."""
        known, messages = read
        for message in messages[begin : begin + count]:
            message.broadcast()
            for other in self.known:
                if other.open and other is not known:
                    other.expected.append(message.frame)

    @rule(known=peers, name=st.sampled_from(ROOMS))
    def join(self, known: Known, name: str) -> None:
        known.peer.join(self.rooms[name])
        if known.open:
            known.rooms.add(name)

    @rule(known=peers, name=st.sampled_from(ROOMS))
    def leave(self, known: Known, name: str) -> None:
        known.peer.leave(self.rooms[name])
        known.rooms.discard(name)

    @rule(known=consumes(peers))
    def close(self, known: Known) -> None:
        """What was sent before it was closed is for it."""
        known.peer.close()
        known.open = False

    @rule(known=peers, room=st.integers(1, 100_000))
    def read(self, known: Known, room: int) -> None:
        if not known.transport.lost:
            known.transport.give_room(room)

    @rule()
    def tick(self) -> None:
        self.simulation.loop.tick()

    @invariant()
    def each_got_the_beginning_of_what_was_for_it(self) -> None:
        for known in getattr(self, "known", []):
            assert b"".join(known.expected).startswith(bytes(known.transport.sent))

    @invariant()
    def the_books_agree(self) -> None:
        for known in getattr(self, "known", []):
            figures = known.peer.figures()
            sent = len(known.transport.sent)
            assert figures.bytes_out == sent
            assert figures.messages_out == bytes(known.transport.sent).count(b"\n")
            assert figures.offered_messages <= len(known.expected)
            assert figures.offered_bytes == sent + figures.pending_bytes
            assert figures.offered_messages == figures.messages_out + figures.pending_messages

    @invariant()
    def members_are_who_joined(self) -> None:
        for name, channel in getattr(self, "rooms", {}).items():
            assert {peer.id for peer in channel.peers} == {
                known.peer.id for known in self.known if known.open and name in known.rooms
            }

    def teardown(self) -> None:
        """Everyone reads to the end: what was for them arrives."""
        if not hasattr(self, "known"):
            return
        self.tick()
        for known in self.known:
            assert known.peer.offered()[0] == len(known.expected)
            known.transport.give_room(1 << 40)
            assert bytes(known.transport.sent) == b"".join(known.expected)
        assert not self.server.flush.behind
        self.the_books_agree()
        assert all(len(known.peer.members) <= 2 + len(known.rooms) for known in self.known)
        self.simulation.close()


@pytest.mark.parametrize("network", NETWORKS)
def test_order_of_calls(network: type[Simulation]) -> None:
    case = type("Calls", (Calls,), {"network": network}).TestCase
    case.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
    case().runTest()
