"""The promises, as properties: whole and in order, never silently lost, verbatim, whatever the peers do.

A plain Python model says what each peer must have been offered; what its connection took must be the beginning
of exactly that, and the books must agree with both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import consumes, initialize, invariant, rule
from support.frames import frames_of
from support.random_calls import ENDLESS, PEERS, Known, Published, RandomCalls, in_modes, run
from support.simulation import Simulation, Transport
from support.socketpairs import NETWORKS

from fastserver.peers.peer import Peer


class Sender(Known):
    """A peer that sends messages."""

    def __init__(self, mode: str, peer: Peer, transport: Transport) -> None:
        super().__init__(mode, peer, transport)
        self.sending = True
        self.begun: dict[str, bytes] = {}  # the message that was cut short
        self.unfinished = b""  # and what is still to come of it
        self.resets = False
        self.vanished = False  # which is noticed by the next write


class Broadcast(RandomCalls):
    """Everyone sends to everyone, in streams that are cut anywhere; some end theirs, or their connection."""

    echo = False
    known_as = Sender

    @initialize(target=PEERS, modes=in_modes, limit=st.sampled_from([64 * 1024, 1024 * 1024]))
    def begin(self, modes: Sequence[str], limit: int) -> Any:
        self.limit = limit
        return self.begin_with(modes, echo=self.echo, max_pending=limit)

    @rule(
        known=PEERS,
        payloads=st.lists(st.one_of(st.binary(max_size=40), st.integers(1, 30_000)), min_size=1, max_size=5),
        cuts=st.lists(st.integers(0, 300), max_size=3),
        leave=st.integers(0, 3),
    )
    def send(self, known: Sender, payloads: list[bytes | int], cuts: list[int], leave: int) -> None:
        """`known` sends messages (their bytes, or just how long), cut anywhere, the last perhaps in part."""
        if not known.sending:
            return
        messages = [
            frames_of(known.mode, b"x" * one if isinstance(one, int) else one.replace(b"\n", b"/")) for one in payloads
        ]
        frames = [message[known.mode] for message in messages]
        if known.unfinished:
            messages.insert(0, known.begun)
            frames.insert(0, known.unfinished)
        stream = b"".join(frames)
        keep = min(leave, len(frames[-1]) - 1)
        known.begun, known.unfinished = messages[-1], stream[len(stream) - keep :]
        ends = [sum(map(len, frames[: number + 1])) for number in range(len(frames))]
        start = 0
        for cut in [*sorted(cuts), len(stream) - keep]:
            end = max(start, min(cut, len(stream) - keep))
            if known.sending and start < end:
                known.peer.data_received(stream[start:end])
                for message, at in zip(messages, ends, strict=True):
                    if start < at <= end:
                        self.publish(message, self.are_in("", None if self.echo else known))
                self.after_call()
                start = end

    @rule(known=consumes(PEERS), at_write=st.booleans())
    def reset(self, known: Sender, at_write: bool) -> None:
        if known.transport.lost:
            return
        if at_write and not known.transport.get_write_buffer_size():
            known.transport.vanish()
            known.vanished = True
            if not self.sequenced:
                self.send(self.connect(0, ENDLESS), [b"x"], [], 0)
        else:
            known.transport.reset()
            known.resets = True
        self.tick()  # it is due before it is told that the connection is lost

    @rule(known=PEERS)
    def half_close(self, known: Sender) -> None:
        """The peer ends its stream (with nothing half sent) and goes on receiving."""
        if known.sending and not known.unfinished:
            known.sending = False
            known.peer.eof_received()

    def after_turn(self, messages: list[Published]) -> None:
        for known in self.known:
            if known.resets or (known.vanished and any(message.is_for(known) for message in messages)):
                known.open = known.sending = False
            elif known.open and known.transport.lost:
                # The server may close a peer for one thing here: being too far behind.
                assert known.peer.reason == "slow_consumer"
                assert sum(map(len, known.offered)) - len(known.sent) > self.limit
                known.open = known.sending = False

    @invariant()
    def each_got_the_beginning_of_what_it_was_offered(self) -> None:
        for known in self.known:
            assert b"".join(known.offered).startswith(known.sent)

    @invariant()
    def the_books_agree(self) -> None:
        for known in self.known:
            figures = known.peer.figures()
            assert figures.offered_messages == len(known.offered)
            assert figures.offered_bytes == sum(map(len, known.offered))
            assert figures.messages_out == known.taken
            assert figures.bytes_out == len(known.sent)
            if known.open:
                assert figures.dropped_messages == figures.dropped_bytes == 0
                assert figures.pending_bytes <= self.limit
            else:
                assert figures.pending_messages == figures.pending_bytes == 0

    @invariant()
    def nobody_is_left_waiting(self) -> None:
        for known in self.known:
            if known.open and known.transport.room:
                assert len(known.sent) == sum(map(len, known.offered))

    def end(self) -> None:
        """Peers receive all that they were offered."""
        for known in self.known:
            if known.open:
                known.transport.give_room(ENDLESS)
                assert known.sent == b"".join(known.offered)
        self.the_books_agree()


@pytest.mark.parametrize("echo", [False, True], ids=["", "echo"])
@pytest.mark.parametrize("sequenced", [False, True], ids=["", "sequenced"])
@pytest.mark.parametrize("network", NETWORKS)
def test_promises_hold(network: type[Simulation], sequenced: bool, echo: bool) -> None:
    run(Broadcast, 60, network=network, sequenced=sequenced, echo=echo)


def test_full_batch_is_flushed_at_once_and_in_order() -> None:
    simulation = Simulation(log_messages=0)
    (one, _), (two, _), (_, hearing) = simulation.connect(), simulation.connect(), simulation.connect()
    sent = []
    for number in range(12):
        chunk = b"%d %s\n" % (number, b"x" * 200_000)
        sent.append(chunk)
        (one if number % 2 else two).data_received(chunk)
        assert len(b"".join(sent)) - len(hearing.sent) < 1024 * 1024
    simulation.loop.tick()
    assert bytes(hearing.sent) == b"".join(sent)


def test_one_write_for_each_peer_in_a_tick() -> None:
    simulation = Simulation()
    peers = [simulation.connect() for _ in range(5)]
    for peer, _ in peers:
        for _ in range(10):
            peer.data_received(b"one\ntwo\n")
    simulation.loop.tick()
    assert [transport.writes for _, transport in peers] == [1] * 5


def test_messages_are_collected_for_the_flush_interval() -> None:
    simulation = Simulation(flush_interval=0.005)
    peers = [simulation.connect() for _ in range(3)]
    for _ in range(4):
        peers[0][0].data_received(b"one\n")
        peers[1][0].data_received(b"two\n")
        simulation.loop.tick()
        simulation.loop.advance(0.001)
    assert not peers[2][1].sent
    simulation.loop.advance(0.002)
    assert bytes(peers[2][1].sent) == b"one\ntwo\n" * 4
    assert [transport.writes for _, transport in peers] == [1] * 3
    peers[0][0].data_received(b"last\n")
    peers[2][0].close()
    assert bytes(peers[2][1].sent).endswith(b"last\n")


def test_sender_whose_read_came_full_rests_until_the_flush() -> None:
    simulation = Simulation(log_messages=0)
    (one, flooding), (_, hearing) = simulation.connect(), simulation.connect()
    one.data_received(b"x" * 255_999 + b"\n")
    assert not flooding.reading
    assert not hearing.sent
    simulation.loop.tick()
    assert flooding.reading
    assert len(hearing.sent) == 256_000
