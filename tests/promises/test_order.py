"""A peer receives messages in the order of the calls, whatever channels they were for, and whether it keeps up.

Random calls (`send`, `broadcast`, also of what a peer sent, `join`, `leave`, `close`) on a simulated network, against
a model of who must get each message when it has its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, invariant, rule
from support.frames import frames_of
from support.random_calls import ENDLESS, PEERS, Known, RandomCalls, in_modes, run
from support.simulation import Simulation
from support.socketpairs import NETWORKS

from fastserver.framing import Messages

ROOMS = ["red", "green", "blue"]
SIZES = st.sampled_from([0, 10, 70_000])

Read = tuple[Known, "Messages[object]", list[dict[str, bytes]]]
READS: Bundle[Read] = Bundle("reads")


class Calls(RandomCalls):
    """Calls of a program."""

    @initialize(target=PEERS, modes=in_modes)
    def begin(self, modes: Sequence[str]) -> Any:
        return self.begin_with(modes, ROOMS, max_pending=64 << 20)

    @rule(known=PEERS, size=SIZES)
    def send(self, known: Known, size: int) -> None:
        """The server sends a message to one peer."""
        payload = self.payload(size)
        assert known.peer.send(payload) == known.open
        if known.open:
            self.publish(frames_of(known.mode, payload), lambda one: one is known)
            self.after_call()

    @rule(name=st.sampled_from([*ROOMS, ""]), but=st.one_of(st.none(), PEERS), size=SIZES)
    def broadcast(self, name: str, but: Known | None, size: int) -> None:
        """The server sends a message to all in a channel but one."""
        payload = self.payload(size)
        channel = self.rooms[name] if name else self.server.everyone
        channel.broadcast(payload, exclude=None if but is None else but.peer)
        self.publish(frames_of(self.modes[0], payload), self.are_in(name, but))
        self.after_call()

    @rule(known=PEERS, count=st.integers(1, 3))
    def say(self, known: Known, count: int) -> None:
        """A peer sends messages, which are broadcast."""
        if known.open:
            messages = [frames_of(known.mode, self.payload(0)) for _ in range(count)]
            known.peer.data_received(b"".join([message[known.mode] for message in messages]))
            for message in messages:
                self.publish(message, self.are_in("", known))
            self.after_call()

    @rule(target=READS, known=PEERS, count=st.integers(1, 5))
    def handle(self, known: Known, count: int) -> Read:
        """A handler gets messages of a peer."""
        messages = [frames_of(known.mode, self.payload(0)) for _ in range(count)]
        frames = b"".join([message[known.mode] for message in messages])
        return known, known.peer.splitter.messages(frames, known.peer), messages

    @rule(read=READS, begin=st.integers(0, 4), count=st.integers(1, 5))
    def relay(self, read: Read, begin: int, count: int) -> None:
        """A handler broadcasts some of them, in a row or later or again; they wait for more of them."""
        known, handled, messages = read
        for message, frames in list(zip(handled, messages, strict=True))[begin : begin + count]:
            message.broadcast()
            self.publish(frames, self.are_in("", known))

    @rule(known=PEERS, name=st.sampled_from(ROOMS))
    def join(self, known: Known, name: str) -> None:
        """Messages flushed before are not for the peer."""
        if known.open and name not in known.rooms:
            self.flush_by(lambda: known.peer.join(self.rooms[name]))
            known.rooms.add(name)
        else:
            known.peer.join(self.rooms[name])

    @rule(known=PEERS, name=st.sampled_from(ROOMS))
    def leave(self, known: Known, name: str) -> None:
        """Messages flushed before are for the peer."""
        if known.open and name in known.rooms:
            self.flush_by(lambda: known.peer.leave(self.rooms[name]))
            known.rooms.discard(name)
        else:
            known.peer.leave(self.rooms[name])

    @rule(known=consumes(PEERS))
    def close(self, known: Known) -> None:
        """Messages flushed before are for the peer."""
        self.flush_by(known.peer.close)
        known.open = False

    @invariant()
    def each_got_the_beginning_of_what_was_for_it(self) -> None:
        for known in self.known:
            waiting = [] if self.sequenced else [one.frames[known.mode] for one in self.published if one.is_for(known)]
            assert b"".join(known.offered + waiting).startswith(known.sent)

    @invariant()
    def the_books_agree(self) -> None:
        for known in self.known:
            figures = known.peer.figures()
            assert figures.bytes_out == len(known.sent)
            assert figures.offered_bytes == figures.bytes_out + figures.pending_bytes
            assert figures.offered_messages == figures.messages_out + figures.pending_messages
            if self.sequenced or not self.published:
                assert figures.offered_messages == len(known.offered)
                assert figures.offered_bytes == sum(map(len, known.offered))
                assert figures.messages_out == known.taken

    @invariant()
    def members_are_who_joined(self) -> None:
        for name, channel in self.rooms.items():
            assert {peer.id for peer in channel.peers} == {
                known.peer.id for known in self.known if known.open and name in known.rooms
            }

    def end(self) -> None:
        """Peers receive all that was for them."""
        for known in self.known:
            known.transport.give_room(ENDLESS)
            assert known.sent == b"".join(known.offered)
        self.the_books_agree()
        assert all(len(known.peer.members) <= 2 + len(known.rooms) for known in self.known)


@pytest.mark.parametrize("sequenced", [False, True], ids=["", "sequenced"])
@pytest.mark.parametrize("network", NETWORKS)
def test_order_of_calls(network: type[Simulation], sequenced: bool) -> None:
    run(Calls, 70, 50, network=network, sequenced=sequenced)
