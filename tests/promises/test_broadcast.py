"""The promises, as properties: whole and in order, never silently lost, verbatim, whatever the peers do.

A plain Python model says what each peer must have been offered; what its connection took must be the beginning
of exactly that, and the books must agree with both.
"""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from support.simulation import Simulation, Transport
from support.socketpairs import NETWORKS

from fastserver.peers.peer import Peer


def lines(payload: bytes) -> bytes:
    return payload.replace(b"\n", b"/") + b"\n"


def prefixed(payload: bytes) -> bytes:
    packed: bytes = msgpack.packb(payload)
    return len(packed).to_bytes(4, "big") + packed


def packed(payload: bytes) -> bytes:
    frame: bytes = msgpack.packb(payload)
    return frame


FRAME = {"lines": lines, "msgpack": prefixed, "msgpack-stream": packed}


class Known:
    """What the model knows of one peer."""

    def __init__(self, peer: Peer, transport: Transport) -> None:
        self.peer = peer
        self.transport = transport
        self.offered: list[bytes] = []
        self.begun = b""  # what was sent of a message cut short
        self.unfinished = b""  # and what is still to come of it
        self.member = True
        self.sending = True


class Broadcast(RuleBasedStateMachine):
    """Random peers of a server, and the model beside it."""

    mode = "lines"
    echo = False
    network: type[Simulation] = Simulation
    peers: Bundle[Known] = Bundle("peers")

    @initialize(limit=st.sampled_from([64 * 1024, 1024 * 1024]))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.simulation = self.network(mode=self.mode, echo=self.echo, max_pending=limit, log_messages=0)
        self.known: list[Known] = []
        self.collected: list[tuple[Known, bytes]] = []

    @rule(target=peers, room=st.one_of(st.just(1 << 40), st.integers(0, 300)))
    def connect(self, room: int) -> Known:
        known = Known(*self.simulation.connect(room))
        self.known.append(known)
        return known

    @rule(
        known=peers,
        payloads=st.lists(st.one_of(st.binary(max_size=40), st.integers(1, 30_000)), min_size=1, max_size=5),
        cuts=st.lists(st.integers(0, 300), max_size=3),
        leave=st.integers(0, 3),
    )
    def send(self, known: Known, payloads: list[bytes | int], cuts: list[int], leave: int) -> None:
        """`known` sends messages (their bytes, or just how long), cut anywhere, the last perhaps in part."""
        if not known.sending:
            return
        frames = [FRAME[self.mode](b"x" * one if isinstance(one, int) else one) for one in payloads]
        stream = known.unfinished + b"".join(frames)
        keep = min(leave, len(frames[-1]) - 1)
        stream, rest = stream[: len(stream) - keep], stream[len(stream) - keep :]
        complete = ([known.begun + known.unfinished] if known.unfinished else []) + frames
        if keep:
            known.begun = complete.pop()[:-keep]
        known.unfinished = rest
        start = 0
        for cut in [*sorted(cuts), len(stream)]:
            if stream[start:cut]:
                known.peer.data_received(stream[start:cut])
                start = cut
        self.collected += [(known, frame) for frame in complete]
        if not self.simulation.collecting:
            self.tick()

    @rule(known=peers, room=st.integers(1, 100_000))
    def read(self, known: Known, room: int) -> None:
        """The peer takes more bytes."""
        if not known.transport.lost:
            known.transport.give_room(room)

    @rule()
    def tick(self) -> None:
        self._flush()
        self.simulation.loop.tick()
        self._notice_closed()

    @rule(known=consumes(peers), at_write=st.booleans())
    def reset(self, known: Known, at_write: bool) -> None:
        if not known.transport.lost:
            if at_write and not known.transport.get_write_buffer_size():
                known.transport.vanish()
                self.send(self.connect(1 << 40), [b"x"], [], 0)
            else:
                known.transport.reset()
            self._flush()  # the loop's tick is due before it tells that the connection is lost
            known.sending = known.member = False
            self.simulation.loop.tick()
            self._notice_closed()

    @rule(known=peers)
    def half_close(self, known: Known) -> None:
        """The peer ends its stream (with nothing half sent) and goes on receiving."""
        if known.sending and not known.unfinished:
            known.sending = False
            known.peer.eof_received()

    def _flush(self) -> None:
        for sender, frame in self.collected:
            for known in self.known:
                if known.member and (self.echo or known is not sender):
                    known.offered.append(frame)
        self.collected.clear()

    def _notice_closed(self) -> None:
        for known in self.known:
            if known.member and known.transport.lost:
                # The server may close a peer for one thing here: being too far behind.
                assert known.peer.reason == "slow_consumer"
                assert sum(map(len, known.offered)) - len(known.transport.sent) > self.limit
                known.sending = known.member = False

    @invariant()
    def each_got_the_beginning_of_what_it_was_offered(self) -> None:
        for known in getattr(self, "known", []):
            stream = b"".join(known.offered)
            assert stream.startswith(bytes(known.transport.sent))

    @invariant()
    def the_books_agree(self) -> None:
        for known in getattr(self, "known", []):
            figures = known.peer.figures()
            sent = len(known.transport.sent)
            whole = end = 0
            for frame in known.offered:
                end += len(frame)
                whole += end <= sent
            assert figures.offered_messages == len(known.offered)
            assert figures.offered_bytes == sum(map(len, known.offered))
            assert figures.messages_out == whole
            assert figures.bytes_out == sent
            if known.member:
                assert figures.dropped_messages == figures.dropped_bytes == 0
                assert figures.pending_bytes <= self.limit
            else:
                assert figures.pending_messages == figures.pending_bytes == 0

    @invariant()
    def nobody_is_left_waiting(self) -> None:
        for known in getattr(self, "known", []):
            if known.member and known.transport.room:
                assert len(known.transport.sent) == sum(map(len, known.offered))

    def teardown(self) -> None:
        """Everyone reads to the end: what was offered arrives."""
        if not hasattr(self, "known"):
            return
        self.tick()
        for known in self.known:
            if known.member:
                known.transport.give_room(1 << 40)
                assert bytes(known.transport.sent) == b"".join(known.offered)
        assert not self.simulation.server.flush.behind
        self.the_books_agree()
        self.simulation.close()


def machine(mode: str, echo: bool, network: type[Simulation]) -> Any:
    return type("Broadcast", (Broadcast,), {"mode": mode, "echo": echo, "network": network})


@pytest.mark.parametrize("echo", [False, True], ids=["", "echo"])
@pytest.mark.parametrize("mode", list(FRAME))
@pytest.mark.parametrize("network", NETWORKS)
def test_promises_hold(network: type[Simulation], mode: str, echo: bool) -> None:
    case = machine(mode, echo, network).TestCase
    case.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
    case().runTest()


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
