"""Every policy for slow consumers, on a simulated network, against a model of what each peer must have received.

Drops are told to the peers (`notify_drops`), so what arrives says for each message that was offered whether it is
here, missing, or still to come; the model checks that this is the truth, message for message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from support.frames import frames_of, read_messages
from support.random_calls import ENDLESS, PEERS, Known, Published, RandomCalls, in_modes, run
from support.simulation import Simulation
from support.socketpairs import NETWORKS

from fastserver.config.slowconsumers import POLICIES
from fastserver.errors import CloseReason
from fastserver.limits.trickle import TRICKLE_INTERVAL

LIMIT = 64 * 1024
SIZES = st.sampled_from([0, 60, 3000, 70_000])


class Receiver(Known):
    """A peer that is told of its drops."""

    @property
    def received(self) -> list[bytes | dict[str, Any]]:
        """The frames that arrived whole; of a notice, what it says."""
        found = read_messages(self.mode, self.sent)
        return [value if isinstance(value, dict) else frame for frame, value in found]


class Policies(RandomCalls):
    """Senders, and readers that may be slow."""

    policy = "disconnect"
    known_as = Receiver

    @initialize(target=PEERS, modes=in_modes)
    def begin(self, modes: Sequence[str]) -> Any:
        self.batch = 0  # bytes of the largest
        self.large = 0  # bytes of the largest message, if it is larger than half the limit
        return self.begin_with(
            modes,
            ["room"],
            max_pending=LIMIT,
            slow_consumer=self.policy,
            notify_drops=True,
            last_word=True,
            message_timeout=None,
        )

    @rule(known=PEERS, count=st.integers(1, 30), size=st.sampled_from([0, 60, 3000]))
    def say(self, known: Receiver, count: int, size: int) -> None:
        """A peer sends messages to everyone else."""
        if known.open and known.transport.reading:
            messages = [frames_of(known.mode, self.payload(size)) for _ in range(count)]
            known.peer.data_received(b"".join([message[known.mode] for message in messages]))
            for message in messages:
                self.publish(message, self.are_in("", known))
            self.after_call()

    @rule(known=PEERS, size=SIZES)
    def tell(self, known: Receiver, size: int) -> None:
        """The server sends a message to one peer."""
        payload = self.payload(size)
        if known.peer.send(payload):
            self.publish(frames_of(known.mode, payload), lambda one: one is known)
            self.after_call()

    @rule(known=PEERS)
    def listen(self, known: Receiver) -> None:
        """A peer joins a channel, or leaves it."""
        if not known.open:
            known.peer.join(self.rooms["room"])
        elif known.rooms:
            self.flush_by(lambda: known.peer.leave(self.rooms["room"]))
            known.rooms.clear()
        else:
            self.flush_by(lambda: known.peer.join(self.rooms["room"]))
            known.rooms.add("room")

    @rule(size=SIZES)
    def announce(self, size: int) -> None:
        """The server sends a message to that channel."""
        payload = self.payload(size)
        self.rooms["room"].broadcast(payload)
        self.publish(frames_of(self.modes[0], payload), self.are_in("room"))
        self.after_call()

    @rule(seconds=st.sampled_from([TRICKLE_INTERVAL, 1.1, 11.0]))
    def wait(self, seconds: float) -> None:
        self.tick()
        self.simulation.loop.advance(seconds)
        self.after_turn([])

    def after_turn(self, messages: list[Published]) -> None:
        sizes = [max(map(len, message.frames.values())) for message in messages]
        self.batch = max(self.batch, sum(sizes))
        self.large = max([self.large, *[size for size in sizes if size > LIMIT // 2]])
        for known in self.known:
            if known.peer.reason is not None:
                assert known.peer.reason is CloseReason.SLOW_CONSUMER
                assert self.policy in ("disconnect", "block")
                known.open = False

    @invariant()
    def what_arrived_is_the_truth(self) -> None:
        for known in self.known:
            self.check(known)

    def check(self, known: Receiver) -> int:
        """Check what arrived at a peer; how many of the messages offered to it that accounts for."""
        at = told = 0
        received = known.received
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
        assert figures.bytes_out == len(known.sent)
        if self.sequenced or not self.published:
            notices = figures.offered_messages - len(known.offered)
            assert notices >= len(received) - len([one for one in received if not isinstance(one, dict)])
            assert notices or not figures.dropped_messages or not known.open or known.peer.link.stuck
        if known.open:
            assert figures.dropped_messages >= told
            held = known.transport.get_write_buffer_size()
            assert self.policy == "block" or figures.pending_bytes <= LIMIT + held + self.batch + self.large
            assert self.policy not in ("disconnect", "block") or not figures.dropped_messages
        return at

    def end(self) -> None:
        """All that was not dropped arrives, and who waited sends again."""
        for known in self.known:
            known.transport.give_room(ENDLESS)
            self.wait(TRICKLE_INTERVAL)
        for known in self.known:
            accounted = self.check(known)
            if known.open:
                figures = known.peer.figures()
                assert accounted == len(known.offered)
                assert figures.pending_messages == figures.pending_bytes == 0
                missed = [one["messages"] for one in known.received if isinstance(one, dict)]
                assert figures.dropped_messages == sum(missed)
                assert known.transport.reading


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("sequenced", [False, True], ids=["", "sequenced"])
@pytest.mark.parametrize("network", NETWORKS)
def test_what_arrives_is_what_the_policy_says(network: type[Simulation], sequenced: bool, policy: str) -> None:
    run(Policies, 40, network=network, sequenced=sequenced, policy=policy)
