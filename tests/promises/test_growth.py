"""Work and bookkeeping in proportion to what came in: counted, not timed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.simulation import Simulation

from fastserver.fanout import flush as flushing
from fastserver.fanout import merge
from fastserver.framing import Framing
from fastserver.peers.peer import Peer


def steps(run: Callable[[], object]) -> int:
    """Python calls and lines that `run` takes."""
    count = 0

    def trace(*_: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


def doubled(run: Callable[[int], Callable[[], object]], size: int) -> float:
    """How many times the steps it takes for twice the size."""
    small, large = run(size), run(2 * size)
    return steps(large) / steps(small)


def in_channels(number: int) -> tuple[Simulation, Peer, Any, list[Any]]:
    simulation = Simulation(log_messages=0)
    peer, transport = simulation.connect(10)
    channels = [simulation.server.channel(str(name)) for name in range(number)]
    return simulation, peer, transport, channels


def test_joining_and_leaving_many_channels() -> None:
    def run(number: int) -> Callable[[], None]:
        _, peer, _, channels = in_channels(number)

        def go() -> None:
            for channel in channels:
                peer.join(channel)
            for channel in channels:
                channel.broadcast(b"not for it", exclude=peer)
            for channel in channels:
                peer.leave(channel)

        return go

    assert doubled(run, 200) < 2.3


def test_catching_up_in_many_channels() -> None:
    def run(number: int) -> Callable[[], None]:
        simulation, peer, transport, channels = in_channels(number)
        for channel in channels:
            peer.join(channel)
        peer.send(b"stuck from here on")

        def go() -> None:
            simulation.loop.tick()
            for turn in range(3):
                for channel in channels[:: -1 if turn % 2 else 1]:
                    channel.broadcast(b"%d" % turn)
                simulation.loop.tick()
            transport.give_room(1 << 40)
            assert transport.sent.count(b"\n") == 3 * number + 1

        return go

    assert doubled(run, 200) < 2.4


def test_a_little_at_a_time_in_many_channels() -> None:
    """A peer takes what it can message by message: each costs the channels where something waits no work."""

    def run(number: int) -> Callable[[], None]:
        simulation, peer, transport, channels = in_channels(number)
        for channel in channels:
            peer.join(channel)
        peer.send(b"stuck from here on")
        simulation.loop.tick()
        channels[0].broadcast(b"x" * 200_000)
        channels[1].broadcast(b"y" * 200_000)
        simulation.loop.tick()

        def go() -> None:
            for _ in range(100):
                transport.give_room(4000)
                assert transport.get_write_buffer_size()

        return go

    assert doubled(run, 200) < 1.2


@pytest.mark.parametrize("count", [100, 200])
def test_a_handler_that_answers_and_passes_on_merges_by_runs(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Finding what a peer is to receive takes as many steps as it has runs and frames of its own, not as all have."""
    taken = 0
    take = merge.Share.take

    def counting(*arguments: Any) -> Any:
        nonlocal taken
        taken += 1
        return take(*arguments)

    monkeypatch.setattr("fastserver.fanout.merge.Share.take", counting)
    simulation = Simulation(log_messages=0)
    known = [simulation.connect() for _ in range(10)]
    for peer, _ in known:
        for message in peer.splitter.messages(b"\n" * count, peer):
            peer.send(b"")
            message.broadcast()
    simulation.loop.tick()
    assert all(len(transport.sent) == 10 * count for _, transport in known)
    assert taken <= 10 * (2 * count + 20)


def test_stalled_peers_look_for_their_own_batches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    hears = flushing._hears
    monkeypatch.setattr(
        "fastserver.fanout.flush._hears", lambda *given: found.append(len(hears(*given))) or hears(*given)
    )

    def run(number: int) -> Callable[[], None]:
        simulation = Simulation(log_messages=0)
        peers = [simulation.connect(0)[0] for _ in range(number)]

        def go() -> None:
            for peer in peers:
                peer.send(b"for it alone")
            simulation.loop.tick()

        return go

    assert doubled(run, 100) < 2.3
    assert found == [1] * 300


@pytest.mark.parametrize("mode", ["lines", "msgpack"])
@pytest.mark.parametrize("policy", ["latest", "drop-oldest"])
def test_many_stuck_peers_have_little_more_split_than_one(
    monkeypatch: pytest.MonkeyPatch, policy: str, mode: str
) -> None:
    make = Framing.resplitter

    def split(peers: int) -> int:
        """Bytes that splitters are given for stuck peers."""
        size = 0
        simulation = Simulation(mode=mode, log_messages=0, max_pending=64 * 1024, slow_consumer=policy)
        stuck = [simulation.connect(0) for _ in range(peers)]
        sender, _ = simulation.connect()
        frames = (b"\n" if mode == "lines" else b"\0\0\0\1\1") * 5000

        class Counting:
            def __init__(self, framing: Framing) -> None:
                self.splitter = make(framing)

            @property
            def count(self) -> int:
                return self.splitter.count

            def feed(self, data: Any) -> bytes:
                nonlocal size
                size += len(data)
                return self.splitter.feed(data)

            def messages(self, frames: bytes, peer: object, most: int = -1, start: int = 0) -> Any:
                nonlocal size
                found = self.splitter.messages(frames, peer, most, start)
                size += found.end - start
                return found

        monkeypatch.setattr(Framing, "resplitter", lambda framing: Counting(framing))
        for _ in range(100):
            sender.data_received(frames)
            simulation.loop.tick()
        for peer, transport in stuck:
            assert peer.dropped[0] > 300_000
            transport.give_room(1 << 40)
            figures = peer.figures()
            assert figures.pending_messages == 0
            assert figures.messages_out + figures.dropped_messages == 500_000
        return size

    one, many = split(1), split(40)
    assert one < 2 * 500_000 * (1 if mode == "lines" else 5)
    assert many < 2 * one
