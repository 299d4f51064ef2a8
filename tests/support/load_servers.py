"""Small servers for the tests of the load: they pass lines on to all others, some of them badly, and a wire with
everything that a protocol can have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from support.small_server import Reader, Writer, small_server

from fastserver.load.plan import Plan
from fastserver.load.result import Result
from fastserver.load.run import run
from fastserver.load.stamp import LENGTH, stamp
from fastserver.load.wire import Cut, FramingWire, Role

SIZE = 64
"""Bytes of the messages that a server may treat badly; messages of other sizes come before the run."""

Treat = Callable[[bytes], Iterable[bytes]]


class Relay:
    """Passes each line on to everyone but its sender; a line of that size as `treat` changes it.

    `lines` has the lines since the last of another size: those of the last run.
    """

    def __init__(self, treat: Treat = lambda line: [line]) -> None:
        self.lines: list[bytes] = []
        self.writers: list[Writer] = []
        self._treat = treat

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        self.writers.append(writer)
        try:
            while line := await reader.readline():
                self.receive(line, writer)
        finally:
            self.writers.remove(writer)

    def receive(self, line: bytes, sender: Writer) -> None:
        if len(line) != SIZE + 1:
            self.lines.clear()
            treated: Iterable[bytes] = [line]
        else:
            self.lines.append(line)
            treated = self._treat(line)
        for one in treated:
            for writer in self.writers:
                if writer is not sender:
                    writer.write(one)


async def measure(server: Callable[[Reader, Writer], object], plan: Callable[[str], Plan]) -> Result:
    """The result of `run` with `server`; `plan` is given its address."""
    async with small_server(server) as address:  # type: ignore[arg-type]
        return await asyncio.to_thread(run, plan(address))


@dataclass(frozen=True)
class GreetedWire(FramingWire):
    """A protocol with everything: a greeting of varying length, other bytes for receivers, answers, pings."""

    name: str = "greeted"
    unsolicited: bool = False
    both: bool = False
    ping: bytes = b"PING\r\n"
    pong: bytes = b"PONG\n"

    def hello(self, role: Role, number: int) -> bytes:
        return b"HELLO %s %d\n" % (role.value.encode(), number)

    def ready(self, role: Role, received: bytes) -> bool:
        if received.startswith(b"NO"):
            raise ValueError("it does not let us in")
        return received.endswith(b"READY\n")

    def publish(self, payload: bytes) -> bytes:
        return b"PUB " + payload + b"\n"

    def deliver(self, payload: bytes) -> bytes:
        return b"MSG %d " % len(payload) + payload + b"\n"

    def cut(self) -> Cut:
        lines = super().cut()
        return lambda data: [line.split(b" ", 2)[2] for line in lines(data)]


@dataclass(frozen=True)
class ChoosyWire(FramingWire):
    """A wire that cannot send the stamp of message 7."""

    def publish(self, payload: bytes) -> bytes:
        if payload.endswith(stamp(7)):
            raise ValueError("seven is not allowed")
        return super().publish(payload)


class GreetedServer:
    """Speaks it. Pings all receivers with every tenth message, in front of it, and counts the missing answers."""

    def __init__(self) -> None:
        self.hellos: list[bytes] = []
        self.pinged: dict[Writer, int] = {}
        self.messages = 0

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        hello = await reader.readline()
        self.hellos.append(hello)
        writer.write(b"welcome, " + b"a" * len(self.hellos) + b"\nREADY\n")
        if hello.startswith(b"HELLO receive"):
            self.pinged[writer] = 0
        while line := await reader.readline():
            if line == b"PONG\n":
                self.pinged[writer] -= 1
            else:
                writer.write(b"+OK\r\n")
                self.publish(line.removeprefix(b"PUB "))
        self.pinged.pop(writer, None)

    def publish(self, line: bytes) -> None:
        self.messages += 1
        for writer in self.pinged:
            if self.messages % 10 == 0:
                self.pinged[writer] += 1
                writer.write(b"PING\r\n")
            writer.write(b"MSG %d " % (len(line) - 1) + line)


def number(line: bytes) -> int:
    """The number in the stamp of `line`."""
    return int(line[-LENGTH - 1 : -1], 36)
