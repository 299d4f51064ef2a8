"""A load against bad servers: it counts what they did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest
from support.load_servers import SIZE, ChoosyWire, Relay, measure, number
from support.small_server import Reader, Writer, small_server

from fastserver.client.address import Address
from fastserver.load.plan import Plan
from fastserver.load.result import Check, Result
from fastserver.load.run import run

SHORT = {"duration": 0.2, "check": 0.2, "patience": 0.3}


def checked(relay: Relay) -> tuple[Result, Check]:
    """The result for three subscribers, and its check, which was the last run."""

    def plan(address: str) -> Plan:
        return Plan(Address.parse(address), subscribers=3, rate=300.0, batch=2, **SHORT)  # type: ignore[arg-type]

    result = asyncio.run(measure(relay, plan))
    assert result.check is not None
    assert result.check.messages == len(relay.lines) == 60
    return result, result.check


def test_loss() -> None:
    """Each message that a subscriber did not get is counted, in both runs."""

    def drop(line: bytes) -> Iterable[bytes]:
        return [] if len(relay.lines) % 10 == 0 else [line]

    relay = Relay(drop)
    result, check = checked(relay)
    assert (check.lost, check.deliveries) == (3 * 6, 3 * 54)
    assert check.reordered == check.duplicated == check.foreign == 0
    assert result.throughput is not None
    assert (result.throughput.lost, result.throughput.deliveries) == (3 * 6, 3 * 54)
    assert not result.clean


def test_reordering() -> None:
    """A message that comes after a later one of its publisher is counted, and is not lost."""
    held: list[bytes] = []

    def swap(line: bytes) -> Iterable[bytes]:
        if len(relay.lines) % 10 == 3:
            held.append(line)
            return []
        return [line, *(held.pop() for _ in held[:])]

    relay = Relay(swap)
    result, check = checked(relay)
    assert check.reordered == 3 * 6
    assert (check.lost, check.duplicated, check.foreign) == (0, 0, 0)
    assert not result.clean


@pytest.mark.parametrize(
    ("treat", "found"),
    [
        (lambda line: [line, line], {"duplicated": 180}),
        (lambda line: [line.replace(b"x", b"y", 1)], {"foreign": 180, "lost": 180}),
        (lambda line: [line, b"hello!\n"], {"foreign": 180}),
        (lambda line: [line[:-7] + b"zzzzzz\n", line], {"foreign": 180}),
    ],
    ids=["twice", "altered", "of others", "with a stamp out of range"],
)
def test_what_is_not_as_it_was_sent(treat: Callable[[bytes], Iterable[bytes]], found: dict[str, int]) -> None:
    result, check = checked(Relay(treat))
    wrong = {name: getattr(check, name) for name in ("lost", "reordered", "duplicated", "foreign")}
    assert {name: count for name, count in wrong.items() if count} == found
    assert not result.clean


def test_latency_counts_from_when_a_message_was_due() -> None:
    """Nothing is passed on before the last message of the run, which is due 0.1975 s after the first."""
    held: list[bytes] = []

    def hold(line: bytes) -> Iterable[bytes]:
        if number(line) == 0:
            held.clear()
        held.append(line)
        return held if len(held) == 80 else []

    def plan(address: str) -> Plan:
        return Plan(Address.parse(address), subscribers=1, rate=400.0, duration=0.2, check=0.2, patience=2.0)

    result = asyncio.run(measure(Relay(hold), plan))
    assert result.check is not None
    assert result.check.latency is not None
    assert result.check.deliveries == 80
    assert result.check.latency.max >= 0.1975
    assert result.check.latency.p50 >= 0.095


def test_connections_that_are_closed() -> None:
    """They are counted, and so is what they miss; the others go on."""

    def close(line: bytes) -> Iterable[bytes]:
        if len(relay.lines) == 30:
            relay.writers[-1].close()
        return [line]

    relay = Relay(close)
    result, check = checked(relay)
    assert check.closed == 1
    assert check.messages == 60
    assert 2 * 60 <= check.deliveries < 3 * 60
    assert not result.clean


def test_nobody_is_left() -> None:
    """When all subscribers were closed, the run ends."""

    async def close(reader: Reader, writer: Writer) -> None:
        await relay(reader, writer)

    def all_closed(line: bytes) -> Iterable[bytes]:
        for writer in relay.writers:
            writer.close()
        return []

    relay = Relay(all_closed)
    plan = {"subscribers": 2, "duration": 3600.0, "check": None, "patience": 0.3}
    result = asyncio.run(measure(close, lambda address: Plan(Address.parse(address), **plan)))  # type: ignore[arg-type]
    assert result.throughput is not None
    assert result.throughput.closed == 3
    assert not result.clean


def test_a_server_that_stops_reading() -> None:
    """The run ends, though its publisher could not even send what it began."""
    blocked = asyncio.Event()

    async def stop_reading(reader: Reader, writer: Writer) -> None:
        writers.append(writer)
        while line := await reader.readline():
            if len(line) > SIZE:
                writer.transport.pause_reading()  # type: ignore[attr-defined]
                await blocked.wait()
                return
            for other in writers:
                if other is not writer:
                    other.write(line)

    writers: list[Writer] = []

    async def main() -> Result:
        async with small_server(stop_reading, limit=2**26) as address:
            plan = Plan(Address.parse(address), subscribers=1, size="16MiB", check=None, duration=0.2, patience=0.3)
            result = await asyncio.to_thread(run, plan)
            blocked.set()
            return result

    result = asyncio.run(main())
    assert result.throughput is not None
    assert result.throughput.deliveries == 0


def test_a_message_that_the_wire_cannot_send() -> None:
    """The check ends, and says why; the throughput stays."""

    def plan(address: str) -> Plan:
        return Plan(Address.parse(address), ChoosyWire(), subscribers=1, rate=100.0, **SHORT)  # type: ignore[arg-type]

    result = asyncio.run(measure(Relay(), plan))
    assert result.throughput is not None
    assert result.throughput.lost == 0
    assert result.check is None
    assert result.problem.endswith("a message cannot be sent in lines: seven is not allowed")
