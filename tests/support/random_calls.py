"""Random peers on a simulated network, and a model of what each of them must have been offered.

The base of the tests by random calls: they add calls of their own, and say what must hold after each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, precondition, rule
from support.frames import MODES, frames_of
from support.simulation import Simulation, Transport

from fastserver.fanout.sequencer import Piece
from fastserver.framing import FRAMINGS
from fastserver.peers.peer import Peer

ENDLESS = 1 << 40
"""Room in a kernel for all that is ever sent."""

PEERS: Bundle[Any] = Bundle("peers")

in_modes = st.sampled_from([MODES[:1], MODES[1:2], MODES[2:], MODES, MODES[1:] + MODES[:1]])
"""The modes that peers of a server speak; the first is that of what the server sends."""


class Known:
    """A peer, as the model knows it."""

    def __init__(self, mode: str, peer: Peer, transport: Transport) -> None:
        self.mode = mode
        self.peer = peer
        self.transport = transport
        self.offered: list[bytes] = []
        """The frames that it was offered, in its own mode."""
        self.open = True
        """Whether it is offered what is flushed now."""
        self.rooms: set[str] = set()
        """The channels that it joined."""

    @property
    def sent(self) -> bytes:
        """The bytes that its kernel has taken."""
        return bytes(self.transport.sent)

    @property
    def taken(self) -> int:
        """The number of offered frames that its kernel has taken whole, if it has taken their beginning."""
        sent = len(self.sent)
        return sum([end <= sent for end in accumulate(map(len, self.offered))])


class Published(NamedTuple):
    """A message that was published, and has not had its turn: its frames by mode, and who is to be offered it then."""

    frames: dict[str, bytes]
    is_for: Callable[[Known], bool]


class RandomCalls(RuleBasedStateMachine):
    """Peers of several modes, whose link is one of `network`.

    Without a sequencer everything that was published has its turn at the end of the tick. If it is `sequenced`, a tick
    only submits it, and batches have their turn one by one, with others that were published elsewhere in between. In
    both cases a message is offered to those who are there when it has its turn.
    """

    network: type[Simulation] = Simulation
    sequenced = False
    known_as: type[Known] = Known

    def begin_with(self, modes: Sequence[str], rooms: Sequence[str] = (), **settings: Any) -> Any:
        """Start a server with those settings. Gives its first peers, of each mode one."""
        self.modes = modes
        self.simulation = self.network(mode=modes[0], log_messages=0, **settings)
        self.server = self.simulation.server
        self.sequencer = self.simulation.put_in_sequence() if self.sequenced else None
        self.rooms = {name: self.server.channel(name) for name in rooms}
        self.known: list[Any] = []
        self.published: deque[Published] = deque()
        self.number = 0
        return multiple(self.connect(0, ENDLESS), self.connect(1, ENDLESS), self.connect(2, 100))

    # Events.

    @rule(target=PEERS, speaks=st.integers(0, 2), room=st.sampled_from([ENDLESS, 0, 100, 3000]))
    def connect(self, speaks: int, room: int) -> Known:
        """A peer comes, whose kernel has room for so many bytes."""
        if self.sequencer is None:
            self.tick()  # what is collected is for some who connect in this tick, too: those whose mode is in use
        mode = self.modes[speaks % len(self.modes)]
        known = self.known_as(mode, *self.simulation.connect(room, mode=mode))
        self.known.append(known)
        return known

    @rule(known=PEERS, room=st.integers(1, 100_000))
    def read(self, known: Known, room: int) -> None:
        """A peer takes more bytes."""
        if not known.transport.lost:
            known.transport.give_room(room)
            self.after_call()

    @rule()
    def tick(self) -> None:
        self.flush_by(self.simulation.loop.tick)

    @precondition(lambda self: self.sequencer)
    @rule()
    def give_back(self) -> None:
        """The oldest batch that was submitted has its turn."""
        if self.sequencer:
            self.have_turn(self.take(self.sequencer.due), self.sequencer.give_back)

    @precondition(lambda self: self.sequencer is not None)
    @rule(
        speaks=st.integers(0, 2),
        sizes=st.lists(st.sampled_from([0, 60, 3000]), min_size=1, max_size=3),
        room=st.integers(0, 3),
    )
    def publish_elsewhere(self, speaks: int, sizes: list[int], room: int) -> None:
        """Messages that peers of another process sent have their turn."""
        mode = self.modes[speaks % len(self.modes)]
        name = ["", *self.rooms][room % (1 + len(self.rooms))]
        channel = self.rooms[name] if name else self.server.everyone
        messages = [Published(frames_of(mode, self.payload(size)), self.are_in(name)) for size in sizes]
        view = channel.view(FRAMINGS[mode])
        pieces = [Piece(view, (), message.frames[mode], 1) for message in messages]
        assert self.sequencer is not None
        sequencer = self.sequencer
        self.have_turn(messages, lambda: sequencer.give_back_elsewhere(pieces))

    # The model.

    def payload(self, size: int) -> bytes:
        """The payload of a message that is like no other."""
        self.number += 1
        return b"%d " % self.number + b"." * size

    @staticmethod
    def are_in(name: str, but: Known | None = None) -> Callable[[Known], bool]:
        """The peers that are in the channel of that name; in the empty one everyone is."""
        return lambda known: known is not but and (not name or name in known.rooms)

    def publish(self, frames: dict[str, bytes], is_for: Callable[[Known], bool]) -> None:
        """A message was published."""
        self.published.append(Published(frames, is_for))

    def after_call(self) -> None:
        """If everything that was published has gone out, it has had its turn."""
        if not self.simulation.collecting:
            self.tick()

    def flush_by(self, call: Callable[[], object]) -> None:
        """Do `call`, before which what is collected is flushed."""
        self.have_turn([] if self.sequencer is not None else self.take(len(self.published)), call)

    def take(self, count: int) -> list[Published]:
        """The next messages that have their turn."""
        return [self.published.popleft() for _ in range(count)]

    def have_turn(self, messages: list[Published], call: Callable[[], object]) -> None:
        """`messages` have their turn now, by that call."""
        for message in messages:
            for known in self.known:
                if known.open and message.is_for(known):
                    known.offered.append(message.frames[known.mode])
        call()
        self.simulation.loop.exchange()
        self.after_turn(messages)

    def after_turn(self, messages: list[Published]) -> None:
        """Have the model know that messages have had their turn."""

    def finish(self) -> bool:
        """Everything has its turn. Whether anything had begun."""
        if not hasattr(self, "known"):
            return False
        self.tick()
        while self.sequencer:
            self.give_back()
        assert not self.published
        return True

    def teardown(self) -> None:
        if self.finish():
            self.end()
            assert not self.server.tick.behind
            self.simulation.close()

    def end(self) -> None:
        """Everyone reads to the end."""
        raise NotImplementedError


def run(machine: type[RandomCalls], examples: int, steps: int = 40, **parameters: Any) -> None:
    """Try a conversation with these `parameters`, its class attributes."""
    case = type(machine.__name__, (machine,), parameters).TestCase  # type: ignore[attr-defined]
    case.settings = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    case().runTest()
