"""A batch sent to many sockets at once, beneath their transports."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from fastserver.fanout import sending
from fastserver.fanout.member import Member
from fastserver.fanout.view import View
from fastserver.framing import FRAMINGS

COMPILED = sending.send_all.__module__ == "fastserver.fanout._sending"
compiled = pytest.mark.skipif(not COMPILED, reason="nothing is sent beneath a transport without the compiled one")
BATCH = b"".join(b"line %d\n" % number for number in range(10))


class Hearer:
    """A member whose socket is one end of a pair; `closing` is what its transport says."""

    def __init__(self, stack: ExitStack, closing: bool = False) -> None:
        self.ours, self.theirs = socket.socketpair()
        for end in (stack.enter_context(self.ours), stack.enter_context(self.theirs)):
            end.setblocking(False)
        self.member = Member(
            View(FRAMINGS["lines"]), SimpleNamespace(link=SimpleNamespace(descriptor=self.ours.fileno()))
        )
        self.transport: Any = SimpleNamespace(is_closing=lambda: closing)

    def heard(self) -> bytes:
        """The bytes that have come since it was last asked."""
        heard = bytearray()
        try:
            while data := self.theirs.recv(65536):
                heard += data
        except BlockingIOError:
            pass
        return bytes(heard)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def send(hearers: list[Hearer], blob: bytes = BATCH) -> dict[Hearer, int]:
    """Send `blob` to all; those that did not take all of it, and how much they took."""
    rest = dict(sending.send_all({hearer.member: hearer.transport for hearer in hearers}, blob))
    return {hearer: rest[hearer.member] for hearer in hearers if hearer.member in rest}


@compiled
def test_everyone_gets_all(stack: ExitStack) -> None:
    hearers = [Hearer(stack) for _ in range(20)]
    assert send(hearers) == {}
    assert [hearer.heard() for hearer in hearers] == [BATCH] * 20


@compiled
@pytest.mark.parametrize("start", range(0, len(BATCH), 7))
@pytest.mark.parametrize("end", range(7, len(BATCH) + 1, 7))
def test_what_it_sent_itself_is_left_out(stack: ExitStack, start: int, end: int) -> None:
    if start >= end:
        return
    sender, other = Hearer(stack), Hearer(stack)
    sender.member.own_start, sender.member.own_end = start, end
    assert send([sender, other]) == {}
    assert sender.heard() == BATCH[:start] + BATCH[end:]
    assert other.heard() == BATCH


@compiled
def test_who_sent_it_in_several_places_is_left_to_its_transport(stack: ExitStack) -> None:
    sender = Hearer(stack)
    sender.member.own_end, sender.member.own_more = 7, [(14, 21, 1)]
    assert send([sender]) == {sender: 0}
    assert sender.heard() == b""


@compiled
@pytest.mark.parametrize(("start", "end"), [(0, len(BATCH) + 1), (-1, 5), (9, 8), (len(BATCH), 1 << 40), (1 << 40, 5)])
def test_a_range_that_does_not_lie_in_the_batch_sends_nothing(stack: ExitStack, start: int, end: int) -> None:
    sender, other = Hearer(stack), Hearer(stack)
    sender.member.own_start, sender.member.own_end = start, end
    assert send([sender, other]) == {sender: -errno.EFAULT}
    assert sender.heard() == b""
    assert other.heard() == BATCH


@compiled
def test_who_takes_a_part_says_how_much(stack: ExitStack) -> None:
    slow, well = Hearer(stack), Hearer(stack)
    slow.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    blob = os.urandom(150_000)
    rest = send([slow, well], blob)
    assert list(rest) == [slow]
    assert 0 < rest[slow] < len(blob)
    assert slow.heard() == blob[: rest[slow]]
    assert well.heard() == blob
    while send([slow]).get(slow) != 0:  # until it takes nothing
        pass


@compiled
def test_the_number_of_a_socket_that_is_closing_may_be_anothers(stack: ExitStack) -> None:
    gone, other = Hearer(stack, closing=True), Hearer(stack)
    gone.member.descriptor = other.member.descriptor
    assert send([gone, other]) == {gone: 0}
    assert other.heard() == BATCH


@compiled
def test_errors_are_told_by_their_numbers(stack: ExitStack) -> None:
    broken, none, well = Hearer(stack), Hearer(stack), Hearer(stack)
    broken.theirs.close()
    none.member.descriptor = -1
    assert send([broken, none, well]) == {broken: -errno.EPIPE, none: 0}
    assert well.heard() == BATCH


def test_without_the_compiled_one_the_transports_get_it_all() -> None:
    code = (
        "import sys; from fastserver.fanout.sending import send_all;"
        "assert 'fastserver.fanout._sending' not in sys.modules;"
        "assert send_all({1: None, 2: None}, b'hi') == [(1, 0), (2, 0)]"
    )
    environment = {**os.environ, "FASTSERVER_PURE_PYTHON": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
