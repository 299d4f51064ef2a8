"""Fails every allocation of some ticks in turn, and looks at what is left: `python nomemory.py`, or
`python nomemory.py STEP` for one in so many.

Every peer that is still open must have got whole messages, none twice and none of them its own, and its books must say
how many; one whose write or read failed may have been cut off. Later messages must arrive as ever. Only the compiled
fast path keeps that: its numbers need no memory.

For AddressSanitizer: FASTSERVER_SANITIZE=1 python setup.py build_ext --inplace, then
LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc python tests/nomemory.py
"""

from __future__ import annotations

import _testcapi
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from support.full_ticks import Ticks

from fastserver.compiled import COMPILED
from fastserver.config.slowconsumers import POLICIES
from fastserver.fanout import sending
from fastserver.fanout.member import Member
from fastserver.fanout.view import View
from fastserver.framing import FRAMINGS

MANY = 50_000
"""Allocations that no run comes to."""


class Sends:
    """A batch sent beneath the transports of some peers, some of which cannot take it all."""

    def __init__(self) -> None:
        self.pairs = [socket.socketpair() for _ in range(4)]
        self.blob = os.urandom(400_000)
        self.ready: Any = {}
        for number, (ours, theirs) in enumerate(self.pairs):
            ours.setblocking(False)
            theirs.setblocking(False)
            peer: Any = SimpleNamespace(link=SimpleNamespace(descriptor=ours.fileno(), error=0))
            member = Member(View(FRAMINGS["lines"]), peer)
            if number == 1:
                member.own_start, member.own_end = 5, 100
            if number == 2:
                member.own_start, member.own_end = 300_000, 100  # another's: nothing may be sent
            if number == 3:
                member.own_start, member.own_end = 0, 500_000
            self.ready[member] = type("Open", (), {"is_closing": lambda self: False})()
        self.send_all = sending.send_all
        self.rest: Any = None

    def run(self) -> None:
        try:
            self.rest = self.send_all(self.ready, self.blob)
        except MemoryError:
            self.rest = "failed"

    def check(self) -> None:
        taken = {} if self.rest == "failed" else dict(self.rest)
        for (ours, theirs), member, number in zip(self.pairs, self.ready, range(4), strict=True):
            heard = b""
            while True:
                try:
                    heard += theirs.recv(1 << 20)
                except BlockingIOError:
                    break
            wanted = self.blob if number != 1 else self.blob[:5] + self.blob[100:]
            assert wanted.startswith(heard)
            if number > 1 or self.rest == "failed":
                assert not heard
            elif member.descriptor >= 0:
                assert taken.get(member, len(wanted)) == len(heard)
            else:
                assert member.peer.link.error or member not in taken
            ours.close()
            theirs.close()


class Splits:
    """A stream that comes in pieces, cut anywhere: what a splitter gives is right, or it is dead."""

    def __init__(self, framing: str) -> None:
        spoken = FRAMINGS[framing]
        self.splitter = spoken.splitter(100_000)
        self.stream = b"".join(spoken.frame(spoken.codec.sized(size)) for size in (9, 40_000, 3, 300, 70_000, 5))
        cuts = [0, 2, 9, 5000, 20_000, 40_020, 40_030, 40_100, 60_000, 90_000, 110_300, len(self.stream)]
        self.pieces = [self.stream[start:end] for start, end in pairwise(cuts)]
        self.given: list[Any] = [None] * len(self.pieces)
        self.failed = False

    def run(self) -> None:
        feed, pieces, given = self.splitter.feed, self.pieces, self.given
        for number in range(len(pieces)):
            try:
                given[number] = feed(pieces[number])
            except MemoryError:
                self.failed = True

    def check(self) -> None:
        got = b"".join([one for one in self.given if one is not None])
        assert self.stream.startswith(got)
        if not self.failed:
            assert got == self.stream or None in self.given
            return
        for call in (partial(self.splitter.feed, b"x"), self.splitter.finish):
            try:
                call()
            except MemoryError:
                continue
            raise AssertionError("a splitter that lost something goes on")


def used(make: Callable[[], Any]) -> int:
    """About how many allocations a run makes."""
    make().run()  # once, for what is made only once
    made = make()
    held: list[object] = []
    _testcapi.set_nomemory(MANY, MANY + 1)
    try:
        made.run()
        while True:
            held.append(object())
    except MemoryError:
        pass
    _testcapi.remove_mem_hooks()
    return MANY - len(held)


def fail_each(make: Callable[[], Any], check: Callable[[Any], None], step: int) -> int:
    """Fail one allocation in `step`. Gives how many there are."""
    total = used(make)
    for start in range(1, total + 20, step):
        made = make()
        _testcapi.set_nomemory(start, start + 1)
        try:
            made.run()
        except MemoryError:
            pass
        finally:
            _testcapi.remove_mem_hooks()
        try:
            check(made)
        except BaseException:
            print("failed with allocation", start, "of", total, file=sys.stderr)
            raise
        if start % 100 == 0:
            gc.collect()
    return total


def main() -> None:
    logging.disable()
    gc.disable()
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for policy in POLICIES:
        total = fail_each(partial(Ticks, policy), Ticks.check, step)
        print(f"{policy}: {total} allocations", flush=True)
    for framing in FRAMINGS:
        print(f"{framing}: {fail_each(partial(Splits, framing), Splits.check, 1)} allocations")
    if COMPILED:
        print(f"send_all: {fail_each(Sends, Sends.check, 1)} allocations")


if __name__ == "__main__":
    main()
