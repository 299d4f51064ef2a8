"""Every policy for slow consumers, on a simulated network, against a model of what each peer must have received.

Drops are told to the peers (`notify_drops`), so what arrives says for each message that was offered whether it is
here, missing, or still to come; the model checks that this is the truth, message for message.
"""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from support.simulation import Simulation, Transport
from support.socketpairs import NETWORKS

from fastserver.config.slowconsumers import POLICIES
from fastserver.errors import CloseReason
from fastserver.limits.trickle import TRICKLE_INTERVAL
from fastserver.peers.peer import Peer

LIMIT = 64 * 1024


class Known:
    """What the model knows of one peer."""

    def __init__(self, peer: Peer, transport: Transport) -> None:
        self.peer = peer
        self.transport = transport
        self.offered: list[Any] = []
        self.listens = False

    @property
    def open(self) -> bool:
        return self.peer.reason is None


class Policies(RuleBasedStateMachine):
    """Random senders and readers, and the model beside them."""

    mode = "lines"
    policy = "disconnect"
    network: type[Simulation] = Simulation
    peers: Bundle[Known] = Bundle("peers")

    @initialize()
    def begin(self) -> None:
        self.simulation = self.network(
            mode=self.mode,
            max_pending=LIMIT,
            slow_consumer=self.policy,
            notify_drops=True,
            last_word=True,
            log_messages=0,
            message_timeout=None,
        )
        self.room = self.simulation.server.channel("room")
        self.known: list[Known] = []
        self.calls: list[tuple[list[Known], str]] = []
        self.number = 0
        self.batch = 0  # bytes, at most in one tick
        self.large = 0  # bytes of the largest message, if it is larger than half the limit

    def payload(self, size: int) -> str:
        self.number += 1
        return f"{self.number} " + "." * size

    def frame(self, payload: str) -> bytes:
        return self.simulation.server.packer.frame(payload.encode() if self.mode == "lines" else payload)

    def value(self, payload: str) -> Any:
        return payload.encode() if self.mode == "lines" else payload

    def count(self) -> None:
        """If what was called for so far has gone out, it counts as offered."""
        if not self.simulation.collecting:
            self.tick()

    @rule(target=peers, room=st.one_of(st.just(1 << 40), st.integers(0, 3000)))
    def connect(self, room: int) -> Known:
        self.tick()
        known = Known(*self.simulation.connect(room))
        self.known.append(known)
        return known

    @rule(known=peers, count=st.integers(1, 30), size=st.sampled_from([0, 60, 3000]))
    def say(self, known: Known, count: int, size: int) -> None:
        """A peer sends messages to everyone else."""
        if known.open and known.transport.reading:
            payloads = [self.payload(size) for _ in range(count)]
            others = [one for one in self.known if one is not known and one.open]
            self.calls += [(others, payload) for payload in payloads]
            known.peer.data_received(b"".join([self.frame(payload) for payload in payloads]))
            self.count()

    @rule(known=peers, size=st.sampled_from([0, 60, 3000, 70_000]))
    def tell(self, known: Known, size: int) -> None:
        """The server sends a message to one peer."""
        payload = self.payload(size)
        if known.peer.send(self.value(payload)):
            self.calls.append(([known], payload))
            self.count()

    @rule(known=peers)
    def listen(self, known: Known) -> None:
        """A peer joins a channel, or leaves it."""
        self.tick()
        known.listens = known.open and not known.listens
        (known.peer.join if known.listens else known.peer.leave)(self.room)

    @rule(size=st.sampled_from([0, 60, 3000, 70_000]))
    def announce(self, size: int) -> None:
        """The server sends a message to that channel."""
        payload = self.payload(size)
        self.calls.append(([one for one in self.known if one.listens and one.open], payload))
        self.room.broadcast(self.value(payload))
        self.count()

    @rule(known=peers, room=st.integers(1, 100_000))
    def read(self, known: Known, room: int) -> None:
        """A peer takes more bytes."""
        self.tick()
        known.transport.give_room(room)
        self.tick()

    @rule(seconds=st.sampled_from([TRICKLE_INTERVAL, 1.1, 11.0]))
    def wait(self, seconds: float) -> None:
        self.tick()
        self.simulation.loop.advance(seconds)

    @rule()
    def tick(self) -> None:
        self.batch = max(self.batch, sum(len(self.frame(payload)) for _, payload in self.calls))
        self.large = max([self.large, *[size for _, one in self.calls if (size := len(self.frame(one))) > LIMIT // 2]])
        for hear, payload in self.calls:
            for known in hear:
                known.offered.append(payload)
        self.calls.clear()
        self.simulation.loop.tick()

    def received(self, known: Known) -> list[Any]:
        """The payloads of the messages that arrived whole; of a notice, what it says."""
        sent = bytes(known.transport.sent)
        if self.mode == "lines":
            return [json.loads(line) if line[:1] == b"{" else line.decode() for line in sent.split(b"\n")[:-1]]
        payloads = []
        while len(sent) >= 4 and len(sent) >= (end := 4 + int.from_bytes(sent[:4], "big")):
            payloads.append(msgpack.unpackb(sent[4:end]))
            sent = sent[end:]
        return payloads

    @invariant()
    def what_arrived_is_the_truth(self) -> None:
        for known in getattr(self, "known", []):
            self.check(known)

    def check(self, known: Known) -> int:
        """Check what arrived at a peer; how many of the messages offered to it that accounts for."""
        at = told = 0
        received = self.received(known)
        for number, message in enumerate(received):
            if not isinstance(message, dict):
                assert message == known.offered[at]
                at += 1
            elif message["fastserver"] == "missed":
                assert message["messages"] > 0
                told += message["messages"]
                at += message["messages"]
            else:
                assert message == {"fastserver": "closing", "reason": "slow_consumer"}
                assert number == len(received) - 1
        figures = known.peer.figures()
        assert figures.messages_out == len(received)
        assert figures.bytes_out == len(known.transport.sent)
        if not self.calls:
            notices = figures.offered_messages - len(known.offered)
            assert notices >= len(received) - len([one for one in received if not isinstance(one, dict)])
            assert notices or not figures.dropped_messages or not known.open or known.peer.link.stuck
        if known.open:
            assert figures.dropped_messages >= told
            held = known.transport.get_write_buffer_size()
            assert self.policy == "block" or figures.pending_bytes <= LIMIT + held + self.batch + self.large
            assert self.policy not in ("disconnect", "block") or not figures.dropped_messages
        else:
            assert known.peer.reason is CloseReason.SLOW_CONSUMER
            assert self.policy in ("disconnect", "block")
        return at

    def teardown(self) -> None:
        """Everyone reads to the end: all that was not dropped arrives, and who waited sends again."""
        if not hasattr(self, "known"):
            return
        self.tick()
        for known in self.known:
            known.transport.give_room(1 << 40)
            self.wait(TRICKLE_INTERVAL)
        for known in self.known:
            accounted = self.check(known)
            if known.open:
                figures = known.peer.figures()
                assert accounted == len(known.offered)
                assert figures.pending_messages == figures.pending_bytes == 0
                missed = [one["messages"] for one in self.received(known) if isinstance(one, dict)]
                assert figures.dropped_messages == sum(missed)
                assert known.transport.reading
        assert not self.simulation.server.flush.behind
        self.simulation.close()


@pytest.mark.parametrize("mode", ["lines", "msgpack"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("network", NETWORKS)
def test_what_arrives_is_what_the_policy_says(network: type[Simulation], policy: str, mode: str) -> None:
    case = type("Policies", (Policies,), {"mode": mode, "policy": policy, "network": network}).TestCase
    case.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
    case().runTest()
