"""Peers of different framings in one channel: one order, each in its own wire form, with books in its own bytes."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulation import Simulation, Transport
from support.socketpairs import NETWORKS

from fastserver.config.slowconsumers import POLICIES
from fastserver.fanout.sequencer import Piece
from fastserver.framing import FRAMINGS
from fastserver.peers.peer import Peer

MODES = list(FRAMINGS)
PRIORITY = "<13>"
"""The beginning of every text, by which syslog knows counted messages."""


def wire(mode: str, text: str) -> bytes:
    """`text` as a message of that mode."""
    framing = FRAMINGS[mode]
    return framing.frame(framing.pack(text if framing.typed else text.encode()))


def texts(mode: str, stream: bytes) -> list[str]:
    """The messages of a stream that ends between two, as text."""
    framing = FRAMINGS[mode]
    values = [framing.unpack(message.payload) for message in framing.messages(stream, None)] if stream else []
    return [value if isinstance(value, str) else value.decode() for value in values]


def whole(mode: str, stream: bytes) -> bytes:
    """The frames that are complete in `stream`."""
    return FRAMINGS[mode].resplitter().feed(stream)


Known = tuple[str, Peer, Transport]


def one_of_each(simulation: Simulation, room: int = 1 << 40) -> list[Known]:
    return [(mode, *simulation.connect(room, mode=mode)) for mode in MODES]


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(
        st.tuples(
            st.integers(0, 2 * len(MODES) - 1),
            st.sampled_from(["say", "all", "one", "room", "tick", "read", "foreign", "back"]),
        ),
        max_size=40,
    ),
    sequenced=st.booleans(),
    room=st.sampled_from([1 << 40, 0, 50]),
)
def test_all_framings_hear_one_order(calls: list[tuple[int, str]], sequenced: bool, room: int) -> None:
    simulation = Simulation(log_messages=0, max_pending=64 << 20)
    peers = [*one_of_each(simulation), *one_of_each(simulation, room)]
    later = simulation.put_in_sequence() if sequenced else None
    server = simulation.server
    channel = server.channel("room")
    for _, peer, _ in peers[::2]:
        peer.join(channel)
    heard: list[list[str]] = [[] for _ in peers]
    called: list[tuple[list[int], str]] = []  # in this tick
    submitted: list[list[tuple[list[int], str]]] = []

    def apply(messages: list[tuple[list[int], str]]) -> None:
        for receivers, text in messages:
            for one in receivers:
                heard[one].append(text)

    def end_tick() -> None:
        simulation.loop.tick()
        if later is None:
            apply(called)
        elif called:
            submitted.append([*called])
        called.clear()

    for number, (who, call) in enumerate(calls):
        text, everyone = f"{PRIORITY}{number} é", list(range(len(peers)))
        mode, peer, transport = peers[who]
        if call == "say":
            called.append(([one for one in everyone if one != who], text))
            peer.data_received(wire(mode, text))
            if not simulation.collecting:
                end_tick()
        elif call == "all":
            called.append(([one for one in everyone if one != who], text))
            server.everyone.broadcast(text.encode(), exclude=peer)
        elif call == "one":
            called.append(([who], text))
            peer.send(text if FRAMINGS[mode].typed else text.encode())
        elif call == "room":
            called.append((everyone[::2], text))
            channel.broadcast(text.encode())
        elif call == "read":
            end_tick()
            transport.give_room(20)
        elif call == "foreign" and later is not None:
            end_tick()
            view = server.everyone.view(FRAMINGS["lines"])
            later.give_back_elsewhere([Piece(view, (), wire("lines", text), 1)])
            apply([(everyone, text)])
        elif call == "back" and submitted and later is not None:
            end_tick()
            later.give_back()
            apply(submitted.pop(0))
        elif call == "tick":
            end_tick()
    end_tick()
    while later is not None and submitted:
        later.give_back()
        apply(submitted.pop(0))
    for (mode, peer, transport), expected in zip(peers, heard, strict=True):
        assert texts(mode, whole(mode, bytes(transport.sent))) == expected[: peer.figures().messages_out]
        figures = peer.figures()
        assert figures.offered_messages == len(expected)
        assert figures.offered_bytes == sum(len(wire(mode, text)) for text in expected)
        assert figures.bytes_out == len(transport.sent)
        transport.give_room(1 << 40)
        simulation.loop.tick()
        assert texts(mode, bytes(transport.sent)) == expected
        assert not peer.figures().pending_bytes


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("network", NETWORKS)
def test_policies_act_in_the_bytes_of_the_view(network: type[Simulation], policy: str, mode: str) -> None:
    simulation = network(log_messages=0, max_pending=64 * 1024, slow_consumer=policy, message_timeout=None)
    senders = one_of_each(simulation)
    peer, slow = simulation.connect(100, mode=mode)
    sent = []
    for number in range(300):
        spoken, sender, transport = senders[number % len(MODES)]
        if transport.reading:
            sent.append(f"{PRIORITY}{number:03} " + "x" * 800)
            sender.data_received(wire(spoken, sent[-1]))
            simulation.loop.tick()
    figures = peer.figures()
    assert figures.offered_messages == figures.messages_out + figures.dropped_messages + figures.pending_messages
    assert figures.offered_bytes == figures.bytes_out + figures.dropped_bytes + figures.pending_bytes
    slow.give_room(1 << 40)
    simulation.loop.tick()
    received = texts(mode, whole(mode, bytes(slow.sent)))
    assert received == [text for text in sent if text in set(received)]
    assert (peer.reason is not None) is (policy == "disconnect")
    if policy == "block":
        assert received == sent
    for spoken, sender, transport in senders:
        own = [text for number, text in enumerate(sent) if MODES[int(text[4:7]) % len(MODES)] == spoken]
        assert texts(spoken, bytes(transport.sent)) == [text for text in sent if text not in own]
        assert sender.reason is None
    simulation.close()


def test_views_are_there_as_long_as_somebody_speaks_them() -> None:
    simulation = Simulation(log_messages=0)
    everyone = simulation.server.everyone
    _, line = simulation.connect()
    assert [view.framing.name for view in everyone.views] == ["lines"]
    peer, other = simulation.connect(mode="msgpack")
    assert [len(view.others) for view in everyone.views] == [1, 1]
    other.reset()
    simulation.loop.tick()
    del peer, other
    assert [len(view.others) for view in everyone.views if view.members] == [0]
    everyone.broadcast(b"there")
    simulation.loop.tick()
    assert bytes(line.sent) == b"there\n"


def test_messages_that_cannot_be_translated_are_counted() -> None:
    simulation = Simulation(log_messages=0, max_message=100)
    (_, line), (_, packed) = simulation.connect(), simulation.connect(mode="msgpack")
    sender, _ = simulation.connect(mode="msgpack-stream")
    sender.data_received(
        wire("msgpack-stream", "short") + FRAMINGS["msgpack-stream"].pack(["\0" * 10, list(range(30))])
    )
    simulation.loop.tick()
    assert bytes(line.sent) == b"short\n"
    assert len(whole("msgpack", bytes(packed.sent))) > 50
    assert sender.figures().untranslatable_messages == 1


def test_json_is_a_value_for_peers_whose_listener_parses_it() -> None:
    simulation = Simulation(log_messages=0)
    sender, _ = simulation.connect()
    (_, text), (_, value) = (simulation.connect(mode=mode) for mode in ("msgpack-stream", "msgpack-stream?json=parse"))
    sender.data_received(b'{"a":1}\nno JSON\n')
    simulation.loop.tick()
    assert bytes(text.sent) == msgpack.packb('{"a":1}') + msgpack.packb("no JSON")
    assert bytes(value.sent) == msgpack.packb({"a": 1}) + msgpack.packb("no JSON")


def test_what_is_sent_to_several_is_packed_for_each_or_sent_to_none() -> None:
    simulation = Simulation(mode="lines", log_messages=0)
    (lines, in_lines), (packed, in_msgpack) = simulation.connect(), simulation.connect(mode="msgpack")
    server = simulation.server
    assert server.send_to([packed.id], {"a": 1}) == 1  # no matter that it would be no line
    with pytest.raises(TypeError):
        server.send_to([packed.id, lines.id], {"a": 2})
    with pytest.raises(TypeError):
        server.send_to([], {"a": 3})
    assert server.send_to([lines.id, packed.id, 99], b"both") == 2
    simulation.loop.tick()
    assert in_lines.sent == b"both\n"
    assert in_msgpack.sent == b"".join(packed.framing.frame(msgpack.packb(value)) for value in ({"a": 1}, b"both"))
