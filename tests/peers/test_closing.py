"""Closing: every event in every stage, and every way from one stage to the end."""

from __future__ import annotations

import errno
from itertools import product

import pytest
from support.simulation import Simulation

from fastserver import CloseReason
from fastserver.peers import closing
from fastserver.peers.closing import STEPS, happen
from fastserver.peers.stages import OFFERED, TABLE, Do, Event, Stage

LEADS = """
               OPEN       HALF_CLOSED READ_ONLY DEAF     DRAINING FINISHED CUT    CLOSED
CLOSE          DRAINING   DRAINING    CUT       DRAINING .        .        .      .
CUT_OFF        DRAINING   DRAINING    CUT       DRAINING .        .        .      .
TURN_AWAY      CUT        .           .         .        .        .        .      .
ABORT          CUT        CUT         CUT       CUT      CUT      CUT      .      .
DEAFEN         DEAF       DEAF        CUT       .        .        .        .      .
ENDED          HALF_CLOSED .          CUT       .        .        CUT      .      .
EMPTIED        .          .           .         .        FINISHED .        .      .
ACKNOWLEDGED   .          .           .         .        .        CUT      .      .
WRITE_FAILED   READ_ONLY  CUT         .         CUT      CUT      CUT      .      .
LOST           CLOSED     CLOSED      CLOSED    CLOSED   CLOSED   CLOSED   CLOSED .
"""
"""Where each event leads a peer for which something is pending, and which has sent half a message; a dot: nowhere."""


class Scene:
    """A server, and a peer for which something is pending, in some stage."""

    def __init__(self, stage: Stage, last_word: bool = True) -> None:
        self.simulation = Simulation(last_word=last_word, half_close_timeout=60.0, message_timeout=None, log_messages=0)
        self.left: list[CloseReason] = []
        self.simulation.server.on_disconnect(lambda peer, reason: self.left.append(reason))
        self.peer, self.transport = self.simulation.connect(5)
        other, _ = self.simulation.connect()
        other.data_received(b"first\nsecond\n" * 10)
        self.simulation.loop.tick()
        self.peer.data_received(b"half")
        assert self.peer.link.stuck
        for event in WAYS[stage]:
            self.fire(event)
        assert self.peer.stage == stage

    def fire(self, event: Event) -> None:
        """Have it happen as it does."""
        peer, transport = self.peer, self.transport
        if event is Event.CLOSE:
            peer.close(CloseReason.IDLE)
        elif event is Event.CUT_OFF:
            peer.cut_off(CloseReason.MEMORY)
        elif event is Event.TURN_AWAY:
            happen(peer, event, CloseReason.DENIED)
        elif event is Event.ABORT:
            peer.abort()
        elif event is Event.DEAFEN:
            peer.deafen(CloseReason.SHUTDOWN)
        elif event is Event.ENDED:
            peer.eof_received()
        elif event is Event.EMPTIED:
            transport.give_room(1 << 40)
        elif event is Event.ACKNOWLEDGED:
            happen(peer, event)
        elif event is Event.WRITE_FAILED:
            transport._buffer.clear()  # nothing more will be taken
            peer.link.error = errno.EPIPE
            peer.write_failed()
        else:
            transport.reset()
            self.simulation.loop.tick()

    def end(self) -> None:
        """Let the time pass until it is gone, its peer taking nothing."""
        self.simulation.loop.tick()
        self.simulation.loop.advance(2)
        if not self.peer.closed:
            self.fire(Event.LOST)
        assert self.peer.closed
        assert self.peer not in list(self.simulation.server.peers)
        assert self.peer not in self.simulation.server.tick.behind
        assert not self.peer.members
        assert self.left == [self.peer.reason]
        figures = self.peer.figures()
        assert figures.pending_messages == figures.pending_bytes == 0
        assert figures.offered_messages == figures.messages_out + figures.dropped_messages
        assert figures.offered_bytes == figures.bytes_out + figures.dropped_bytes
        assert figures.bytes_out == len(self.transport.sent)


WAYS: dict[Stage, tuple[Event, ...]] = {
    Stage.OPEN: (),
    Stage.HALF_CLOSED: (Event.ENDED,),
    Stage.READ_ONLY: (Event.WRITE_FAILED,),
    Stage.DEAF: (Event.DEAFEN,),
    Stage.DRAINING: (Event.CLOSE,),
    Stage.FINISHED: (Event.CLOSE, Event.EMPTIED),
    Stage.CUT: (Event.ABORT,),
    Stage.CLOSED: (Event.LOST,),
}


def leads() -> dict[tuple[Stage, Event], Stage]:
    head, *rows = [line.split() for line in LEADS.strip().splitlines()]
    stages = [Stage[name] for name in head]
    return {
        (stage, Event[row[0]]): stage if to == "." else Stage[to]
        for row in rows
        for stage, to in zip(stages, row[1:], strict=True)
    }


@pytest.mark.parametrize(("stage", "event"), [*product(Stage, Event)], ids=lambda one: one.name)
def test_every_event_in_every_stage(stage: Stage, event: Event) -> None:
    scene = Scene(stage)
    sent, reason = bytes(scene.transport.sent), scene.peer.reason
    scene.fire(event)
    assert scene.peer.stage == leads()[stage, event]
    assert (scene.peer.reason is not None) is (scene.peer.stage >= Stage.DEAF)
    if reason is not None:
        assert scene.peer.reason is reason  # the first is the reason
    if event not in TABLE[stage] and event is not Event.EMPTIED:
        assert bytes(scene.transport.sent) == sent
    scene.end()


@pytest.mark.parametrize(("first", "second"), [*product(Event, Event)], ids=lambda one: one.name)
def test_no_two_events_lead_back(first: Event, second: Event) -> None:
    scene = Scene(Stage.OPEN)
    stage = scene.peer.stage
    for event in (first, second):
        scene.fire(event)
        assert scene.peer.stage >= stage
        stage = scene.peer.stage
    scene.end()


@pytest.mark.parametrize("stage", Stage)
def test_messages_are_offered_and_passed_on_only_before_the_end(stage: Stage) -> None:
    scene = Scene(stage, last_word=False)
    offered, received = scene.peer.figures().offered_messages, scene.peer.messages_in
    assert scene.peer.send(b"more") is (stage in OFFERED)
    scene.simulation.loop.tick()
    assert scene.peer.figures().offered_messages == offered + (stage in OFFERED)
    if not scene.peer.ended:
        scene.peer.data_received(b" and half\n")
        assert scene.peer.messages_in == received + (stage < Stage.DEAF)
    scene.end()


@pytest.mark.parametrize(
    ("stage", "state"),
    [
        (Stage.OPEN, "active"),
        (Stage.HALF_CLOSED, "half-closed"),
        (Stage.READ_ONLY, "active"),
        (Stage.DEAF, "closing"),
        (Stage.DRAINING, "closing"),
        (Stage.FINISHED, "closing"),
        (Stage.CUT, "closing"),
        (Stage.CLOSED, "closed"),
    ],
)
def test_the_state_that_is_shown_follows_from_the_stage(stage: Stage, state: str) -> None:
    assert Scene(stage).peer.state == state


def test_the_table_has_a_way_to_the_end_from_every_stage_and_a_function_for_all_that_is_done() -> None:
    assert [*TABLE] == [*Stage]
    for stage in [*Stage][:-1]:
        assert TABLE[stage][Event.LOST].stage is Stage.CLOSED
        assert TABLE[stage][Event.ABORT].stage is Stage.CUT
    assert {step.do for row in TABLE.values() for step in row.values()} == set(Do) == set(STEPS)


@pytest.mark.parametrize("last_word", [False, True])
def test_without_a_last_word_a_peer_is_cut_off_at_once(last_word: bool) -> None:
    scene = Scene(Stage.OPEN, last_word)
    scene.fire(Event.CUT_OFF)
    assert scene.peer.stage == (Stage.DRAINING if last_word else Stage.CUT)
    scene.end()


def test_a_handler_that_closes_while_the_stream_is_finished() -> None:
    simulation = Simulation(log_messages=0, half_close_timeout=60.0, message_timeout=None)

    @simulation.server.on_message
    def close(message: object) -> None:
        peer.close()

    peer, transport = simulation.connect()
    peer.data_received(b"the last")
    peer.eof_received()
    assert peer.stage == Stage.CUT
    assert peer.reason is CloseReason.KICKED
    simulation.loop.tick()
    assert peer.closed
    assert transport.lost


def test_a_connection_that_lives_after_a_write_of_ours_failed_is_cut_soon() -> None:
    scene = Scene(Stage.OPEN)
    scene.peer.link.error = errno.ENOMEM
    closing.write_failed(scene.peer)
    assert scene.peer.stage == Stage.READ_ONLY
    scene.simulation.loop.tick()
    assert scene.peer.closed
    assert scene.peer.reason is CloseReason.INTERNAL_ERROR
    scene.end()
