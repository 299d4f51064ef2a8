"""A load against real servers: it counts what they did."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from conftest import Serve
from support.load_servers import SIZE, GreetedServer, GreetedWire, Relay, measure
from support.samples import SAMPLES
from support.small_server import Reader, Writer, small_server

from fastserver.client.address import Address
from fastserver.errors import ConfigError
from fastserver.load.errors import LoadError
from fastserver.load.plan import Plan
from fastserver.load.result import Result
from fastserver.load.run import Progress, run
from fastserver.load.wire import framing_wire

SHORT = {"duration": 0.2, "check": 0.2, "patience": 0.3}


def check_clean(result: Result) -> None:
    """Everything arrived, in both runs, and something was sent."""
    plan = result.plan
    assert result.clean
    assert result.throughput is not None
    assert result.check is not None
    for part in (result.throughput, result.check):
        assert part.messages > 0
        assert part.deliveries == part.messages * plan.recipients
        assert part.lost == part.closed == 0
    assert len(result.throughput.received) == len(result.throughput.gaps) == plan.receivers
    assert sum(result.throughput.sent) == result.throughput.messages
    assert result.check.latency is not None


SEVERAL = {"subscribers": 5, "publishers": 3, "size": "9:2,200:1"}


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        *((mode, SEVERAL) for mode in SAMPLES),  # how messages come and go does not depend on what they are
        ("lines", {"subscribers": 1, "batch": 7}),
        ("msgpack", {"all_to_all": 6, "processes": 2}),
        ("lines", {"all_to_all": 4, "lockstep": True, "processes": 1}),
        ("msgpack-stream", {"subscribers": 3, "rate": 400.0, "processes": 2}),
    ],
    ids=[*SAMPLES, "one", "all-to-all", "lockstep", "rate"],
)
def test_our_server(serve: Serve, mode: str, options: dict[str, object]) -> None:
    """Every message reaches everyone, in every framing."""
    server = serve("--mode", mode)
    wire = framing_wire(mode)
    result = run(Plan(Address("127.0.0.1", server.port), wire, **{**SHORT, **options}))  # type: ignore[arg-type]
    check_clean(result)


def test_rate(serve: Serve) -> None:
    """As many messages are sent as are due before the end, evenly by all publishers."""
    server = serve()
    plan = Plan(Address("127.0.0.1", server.port), publishers=2, subscribers=2, batch=5, rate=500.0, **SHORT)  # type: ignore[arg-type]
    result = run(plan)
    check_clean(result)
    assert result.throughput is not None
    assert result.check is not None
    assert result.throughput.sent == (50, 50)
    assert (result.check.rate, result.check.messages) == (500.0, 100)
    assert result.throughput.unsolicited == 100


def test_echo_and_unix_socket(serve: Serve, tmp_path: Path) -> None:
    serve("--echo", "--unix", str(tmp_path / "socket"))
    result = run(Plan(Address(path=str(tmp_path / "socket")), all_to_all=3, echo=True, **SHORT))  # type: ignore[arg-type]
    check_clean(result)
    assert result.plan.recipients == 3


def test_lockstep_is_in_step() -> None:
    """No publisher is ever a message ahead of another, or of what was received."""
    ahead = []

    class Watched(Relay):
        def receive(self, line: bytes, sender: Writer) -> None:
            super().receive(line, sender)
            if len(line) == SIZE + 1:
                counts[sender] = counts.get(sender, 0) + 1
                ahead.append(max(counts.values()) - min([counts.get(writer, 0) for writer in self.writers]))

    counts: dict[Writer, int] = {}
    plan = {"all_to_all": 3, "lockstep": True, "check": None, "duration": 0.2}
    result = asyncio.run(measure(Watched(), lambda address: Plan(Address.parse(address), **plan)))  # type: ignore[arg-type]
    assert result.throughput is not None
    assert result.throughput.lost == 0
    assert result.check is None
    assert ahead
    assert max(ahead) == 1


def test_a_wire_with_everything() -> None:
    """A greeting, bytes of its own for receivers, answers to publishers, pings: none is taken for a message."""
    server = GreetedServer()
    options = {"all_to_all": 3, "batch": 3, "processes": 1, **SHORT}
    result = asyncio.run(measure(server, lambda address: Plan(Address.parse(address), GreetedWire(), **options)))  # type: ignore[arg-type]
    check_clean(result)
    assert result.plan.recipients == 3
    assert result.throughput is not None
    assert result.throughput.unsolicited == 0
    assert not server.pinged
    assert sorted(set(server.hellos)) == [
        b"HELLO %s %d\n" % one for one in [*((b"receive", n) for n in (3, 4, 5)), *((b"send", n) for n in (0, 1, 2, 6))]
    ]


# --- before it begins


def test_unreachable() -> None:
    async def nothing(reader: Reader, writer: Writer) -> None: ...

    async def main() -> str:
        async with small_server(nothing) as address:
            return address

    address = asyncio.run(main())  # was free a moment ago
    with pytest.raises(LoadError, match=f"^{address}: Connection refused$"):
        run(Plan(Address.parse(address)))


def test_refused() -> None:
    """A refusal in the words of a protocol ends the load."""

    async def refuse(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        writer.write(b"NO\n")
        await reader.read()

    with pytest.raises(LoadError, match=r"^127\.0\.0\.1:\d+: it does not let us in$"):
        asyncio.run(measure(refuse, lambda address: Plan(Address.parse(address), GreetedWire(), check=None)))


def test_wrong_mode(serve: Serve) -> None:
    server = serve("--mode", "msgpack")
    with pytest.raises(LoadError, match=r": the server closed a connection that published; does it speak lines\?$"):
        run(Plan(Address("127.0.0.1", server.port)))


# --- as a library


def test_hooks(serve: Serve) -> None:
    """`begun` comes before the first message, `ended` when all were received; the server's time counts in between."""
    server = serve("--log-messages", "0")
    calls: list[str] = []
    seen: list[Progress] = []
    plan = Plan(Address("127.0.0.1", server.port), check=None, duration=0.5, pid=server.process.pid)
    result = run(plan, begun=lambda: calls.append("begun"), ended=lambda: calls.append("ended"), progress=seen.append)
    assert calls == ["begun", "ended"]
    assert {one.step for one in seen} == {"connecting", "throughput"}
    assert result.throughput is not None
    assert result.throughput.server is not None
    assert result.throughput.server > 0
    assert result.throughput.server_per_delivery == result.throughput.server / result.throughput.deliveries


def test_stop(serve: Serve) -> None:
    """The result is that of the run until then; there is no check."""
    server = serve()
    stopping: list[Progress] = []

    def progress(one: Progress) -> None:
        if one.step == "throughput":
            stopping.append(one)

    plan = Plan(Address("127.0.0.1", server.port), subscribers=2, duration=3600.0)
    result = run(plan, progress=progress, stop=lambda: bool(stopping))
    assert result.stopped
    assert result.check is None
    assert result.throughput is not None
    assert result.throughput.deliveries == 2 * result.throughput.messages > 0
    assert result.throughput.seconds < 3600


def test_no_such_process() -> None:
    with pytest.raises(ConfigError, match=r"^--pid: 4194304 is not allowed: there is no such process; "):
        run(Plan(pid=2**22))
