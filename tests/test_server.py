"""The server over real sockets, on uvloop and on the standard library's loop."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvloop

from fastserver import CloseReason, Config, ListenError, Server
from fastserver.config.listener import Role
from fastserver.peers.peer import Peer

Run = Callable[[Coroutine[Any, Any, None]], None]
DEADLINE = 30


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's coroutine on a loop; no test takes longer than the deadline."""

    async def whole(main: Coroutine[Any, Any, None]) -> None:
        try:
            await asyncio.wait_for(main, DEADLINE)
        finally:
            while Client.opened:
                writer = Client.opened.pop().writer
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    def within_deadline(main: Coroutine[Any, Any, None]) -> None:
        request.param(whole(main))

    return within_deadline


class Client:
    """A plain connection to a server."""

    opened: ClassVar[list[Client]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.opened.append(self)

    @classmethod
    async def open(cls, server: Server, host: str = "127.0.0.1") -> Client:
        """Connected."""
        port = int(server.addresses[0].rpartition(":")[2])
        return cls(*await asyncio.open_connection(host, port, limit=1 << 30))

    @classmethod
    async def connect(cls, server: Server, host: str = "127.0.0.1") -> Client:
        """Connected, and known to the server as a peer."""
        before = server.peers.accepted
        client = await cls.open(server, host)
        await until(lambda: server.peers.accepted > before)
        return client

    def stop_reading(self) -> None:
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_on(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def end(self) -> bytes:
        """Everything up to the end of the stream."""
        return await self.reader.read()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition` holds."""
    while not condition():
        await asyncio.sleep(0)


def config(**settings: Any) -> Config:
    return Config(**{"port": 0, "drain_timeout": 0.0, "log_messages": 0, **settings})


def peer_of(server: Server, number: int) -> Peer:
    return list(server.peers)[number]


def test_everyone_else_hears_it(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            one, two, three = [await Client.connect(server) for _ in range(3)]
            await one.send(b"hello\r\n")
            assert await two.receive(7) == await three.receive(7) == b"hello\r\n"
            await two.send(b"hi\n")
            assert await one.receive(3) == await three.receive(3) == b"hi\n"

    run(main())


def test_echo_includes_the_sender(run: Run) -> None:
    async def main() -> None:
        async with Server(config(echo=True)) as server:
            one, two = await Client.connect(server), await Client.connect(server)
            await one.send(b"hello\n")
            assert await one.receive(6) == await two.receive(6) == b"hello\n"

    run(main())


def test_half_closed_peer_has_its_last_line_delivered_and_still_hears(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            one, two = await Client.connect(server), await Client.connect(server)
            await one.send(b"no line end")
            one.writer.write_eof()
            assert await two.receive(12) == b"no line end\n"
            assert peer_of(server, 0).state == "half-closed"
            await two.send(b"still here?\n")
            assert await one.receive(12) == b"still here?\n"

    run(main())


def test_half_closed_peer_goes_after_its_time(run: Run) -> None:
    async def main() -> None:
        async with Server(config(half_close_timeout=0.0)) as server:
            one = await Client.connect(server)
            one.writer.write_eof()
            assert await one.end() == b""
            await until(lambda: not server.peers)
            assert server.peers.closed[-1].reason == CloseReason.EOF

    run(main())


def test_connect_and_close_cycles_leave_nothing(run: Run) -> None:
    async def main() -> None:
        async with Server(config(half_close_timeout=0.0)) as server:
            for _ in range(50):
                client = await Client.connect(server)
                client.close()
            await until(lambda: not server.peers)
            assert server.peers.accepted == 50
            assert server.peers.reasons == {"eof": 50}
            assert not server.everyone.peers

    run(main())


def test_frame_error_closes_that_peer_only(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_message=10)) as server:
            bad, good, other = [await Client.connect(server) for _ in range(3)]
            await good.send(b"before\n")
            assert await bad.receive(7) == b"before\n"
            await bad.send(b"fine\n" + b"x" * 100)
            assert await good.receive(5) == b"fine\n"  # what was whole before it is not lost
            assert await bad.end() == b""  # our half is closed, not reset
            bad.close()
            await until(lambda: len(server.peers) == 2)
            assert server.peers.closed[-1].reason == CloseReason.FRAME_ERROR
            await good.send(b"after\n")
            assert await other.receive(18) == b"before\nfine\nafter\n"

    run(main())


def test_peer_closed_for_an_error_first_gets_what_is_pending(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_message=1 << 20)) as server:
            bad, good = await Client.connect(server), await Client.connect(server)
            bad.stop_reading()
            sent = b"".join(b"%06d%s\n" % (number, b"x" * 100_000) for number in range(80))
            await good.send(sent)
            await until(lambda: peer_of(server, 0).figures().offered_bytes == len(sent))
            assert peer_of(server, 0).pending_bytes
            await bad.send(b"x" * (1 << 20) + b"too long")
            bad.read_on()
            assert await bad.end() == sent
            bad.close()
            await until(lambda: len(server.peers) == 1)
            figures = server.peers.closed[-1]
            assert (figures.reason, figures.dropped_messages) == (CloseReason.FRAME_ERROR, 0)
            assert figures.messages_out == 80

    run(main())


def test_reset_is_told_from_end(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            one = await Client.connect(server)
            one.reset()
            await until(lambda: not server.peers)
            assert server.peers.closed[-1].reason == CloseReason.RESET

    run(main())


def test_slow_consumer_is_closed_and_the_others_get_everything(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_pending=1 << 20)) as server:
            stuck, sender, healthy = [await Client.connect(server) for _ in range(3)]
            stuck.stop_reading()
            total = 0
            message = b"x" * 65_535 + b"\n"
            while len(server.peers) == 3:
                await sender.send(message)
                assert await healthy.receive(len(message)) == message
                total += 1
            figures = server.peers.closed[-1]
            assert figures.reason == CloseReason.SLOW_CONSUMER
            assert figures.dropped_bytes > 1 << 20
            assert figures.offered_messages == figures.messages_out + figures.dropped_messages
            assert not server.flush.behind
            await until(lambda: peer_of(server, 1).figures().messages_out == total)
            stuck.reset()

    run(main())


def test_peer_that_falls_behind_and_reads_again_gets_everything(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_pending=64 << 20)) as server:
            late, sender = await Client.connect(server), await Client.connect(server)
            late.stop_reading()
            sent = b"".join(b"%08d\n" % number for number in range(3_000_000))
            await sender.send(sent)
            await until(lambda: peer_of(server, 0).figures().offered_bytes == len(sent))
            assert peer_of(server, 0) in server.flush.behind
            late.read_on()
            assert await late.receive(len(sent)) == sent
            await until(lambda: not server.flush.behind)
            await sender.send(b"and on\n")
            assert await late.receive(7) == b"and on\n"
            figures = peer_of(server, 0).figures()
            assert (figures.messages_out, figures.pending_messages) == (3_000_001, 0)

    run(main())


def test_stop_drains_what_is_pending(run: Run) -> None:
    async def main() -> None:
        server = Server(config(max_pending=64 << 20, drain_timeout=20.0))
        await server.start()
        late, sender = await Client.connect(server), await Client.connect(server)
        late.stop_reading()
        sent = b"".join(b"%08d\n" % number for number in range(1_000_000))
        await sender.send(sent)
        await until(lambda: peer_of(server, 0).figures().offered_bytes == len(sent))
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        await sender.send(b"too late\n")  # thrown away
        late.read_on()
        assert await late.end() == sent
        for client in (late, sender):
            client.close()
        await stopping
        assert not server.peers
        assert server.peers.dropped[CloseReason.SHUTDOWN] == 0
        assert server.peers.totals().messages_in == 1_000_000

    run(main())


def test_stop_does_not_wait_for_a_stuck_peer(run: Run) -> None:
    async def main() -> None:
        server = Server(config(max_pending=64 << 20))
        await server.start()
        stuck, sender = await Client.connect(server), await Client.connect(server)
        stuck.stop_reading()
        sent = b"x" * 999_999 + b"\n"
        for _ in range(12):
            await sender.send(sent)
        await until(lambda: peer_of(server, 0).figures().offered_messages == 12)
        await server.stop()
        figures = {one.id: one for one in server.peers.closed}[1]
        assert figures.reason == CloseReason.SHUTDOWN
        assert figures.dropped_messages
        assert figures.offered_messages == figures.messages_out + figures.dropped_messages == 12
        stuck.reset()

    run(main())


def test_several_servers_in_one_loop(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as first, Server(config()) as second:
            a, b = await Client.connect(first), await Client.connect(first)
            c = await Client.connect(second)
            await a.send(b"here\n")
            assert await b.receive(5) == b"here\n"
            await c.send(b"alone\n")
            await until(lambda: peer_of(second, 0).messages_in == 1)
            assert second.peers.totals().offered_messages == 0

    run(main())


def test_port_in_use(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            port = int(server.addresses[0].rpartition(":")[2])
            with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: address already in use"):
                await Server(config(port=port)).start()

    run(main())


def test_ipv6_and_ipv4_on_one_listener(run: Run) -> None:
    async def main() -> None:
        async with Server(config(host="::")) as server:
            await Client.connect(server, "127.0.0.1")
            await Client.connect(server, "::1")
            addresses = [peer.address.rpartition(":")[0] for peer in server.peers]
            assert addresses == ["127.0.0.1", "[::1]"]

    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    run(main())


def test_listeners_with_roles(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "feed.sock"
        urls = ["lines://127.0.0.1:0", "lines://127.0.0.1:0?role=send", f"lines+unix://{path}?role=receive"]
        async with Server(Config(listen=tuple(urls), drain_timeout=0.0)) as server:
            both = await Client.connect(server)
            _, port, unix = server.addresses
            assert unix == f"unix:{path}"
            sender = Client(*await asyncio.open_connection("127.0.0.1", int(port.rpartition(":")[2])))
            receiver = Client(*await asyncio.open_unix_connection(path))
            await until(lambda: len(server.peers) == 3)
            assert {peer.role: peer.address for peer in server.peers}[Role.RECEIVE] == unix
            await receiver.send(b"unheard\n")
            await sender.send(b"one\n")
            assert await both.receive(4) == await receiver.receive(4) == b"one\n"
            await both.send(b"two\n")
            assert await receiver.receive(4) == b"two\n"
            sender.writer.write_eof()
            assert await sender.end() == b""
        assert not path.exists()

    run(main())


def test_nothing_is_left_of_listeners_that_cannot_all_be(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        paths = [tmp_path / "one.sock", tmp_path / "missing" / "other.sock"]
        server = Server(Config(listen=tuple(f"lines+unix://{path}" for path in paths)))
        with pytest.raises(ListenError, match=r"cannot listen on unix:.*missing"):
            await server.start()
        assert not paths[0].exists()

    run(main())


def test_connections_are_kept_alive(run: Run) -> None:
    async def main() -> None:
        for keepalive, on in ((60, 1), (None, 0)):
            async with Server(config(keepalive=keepalive)) as server:
                await Client.connect(server)
                accepted = peer_of(server, 0).link.transport.get_extra_info("socket")
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == on

    run(main())


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system does not have it")
@pytest.mark.parametrize(("policy", "not_sent"), [("disconnect", False), ("drop-oldest", False), ("latest", True)])
def test_sockets_are_as_the_policy_needs_them(run: Run, policy: str, not_sent: bool) -> None:
    async def main() -> None:
        async with Server(config(slow_consumer=policy, tcp_user_timeout=2.0)) as server:
            await Client.connect(server)
            accepted = peer_of(server, 0).link.transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0  # it resets the living
            assert (accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 16384) == not_sent

    run(main())


def test_denied_peer_is_closed_before_anything_is_read(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        urls = ("lines://127.0.0.1:0", f"lines+unix://{tmp_path}/feed.sock")
        async with Server(Config(listen=urls, deny=("127.0.0.0/8",), drain_timeout=0.0)) as server:
            one, two = [Client(*await asyncio.open_unix_connection(tmp_path / "feed.sock")) for _ in range(2)]
            await until(lambda: len(server.peers) == 2)
            denied = await Client.open(server)
            denied.writer.write(b"let me in\n")
            with contextlib.suppress(ConnectionResetError):  # it had sent something
                assert await denied.end() == b""
            await until(lambda: server.peers.refused == {"denied": 1})
            await one.send(b"heard\n")
            assert await two.receive(6) == b"heard\n"
            assert server.peers.totals().messages_in == 1

    run(main())


def test_peer_over_its_rate_is_read_to_its_end(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_bytes_per_second=1_000_000, burst=0.1)) as server:
            sender, other = await Client.connect(server), await Client.connect(server)
            sent = b"".join(b"%08d\n" % number for number in range(100_000))
            await asyncio.gather(sender.send(sent), other.receive(1))
            sender.writer.write_eof()
            assert await other.receive(len(sent) - 1) == sent[1:]
            assert server.peers.throttled["max_bytes_per_second"]
            assert peer_of(server, 0).reason is None

    run(main())


@pytest.mark.skipif(not hasattr(select, "poll"), reason="the system cannot tell")
def test_reset_of_a_peer_that_is_not_read(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_messages_per_second=1)) as server:
            sender, other = await Client.connect(server), await Client.connect(server)
            await sender.send(b"x\n" * 1000)
            assert await other.receive(2000) == b"x\n" * 1000
            sender.reset()
            await until(lambda: len(server.peers) == 1)
            assert server.peers.closed[-1].reason == CloseReason.RESET

    run(main())


def test_states(run: Run) -> None:
    async def main() -> None:
        async with Server(config(idle_after=0.001)) as server:
            one, two = await Client.connect(server), await Client.connect(server)
            peer = peer_of(server, 0)
            await until(lambda: peer.state == "idle")
            await one.send(b"x\n")
            await two.receive(2)
            assert peer.last_message is not None
            one.writer.write_eof()
            await until(lambda: peer.state == "half-closed")
            peer.close(CloseReason.EOF)
            assert peer.state == "closing"
            await until(lambda: peer.state == "closed")

    run(main())


def test_many_are_let_in_within_a_few_turns_of_the_loop(run: Run) -> None:
    """Turns are long where there are many peers: at one a turn, the next would wait for minutes."""

    async def main() -> None:
        async with Server(config()) as server:
            address = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
            with contextlib.ExitStack() as stack:
                for _ in range(320):  # they wait in the kernel: the loop does not run meanwhile
                    stack.enter_context(socket.create_connection(address))
                turns = 0
                while server.peers.accepted < 320:
                    await asyncio.sleep(0)
                    turns += 1
                assert turns < 100

    run(main())


def test_descriptors_run_out_and_come_back(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            one, two = await Client.connect(server), await Client.connect(server)
            server.door.ceiling = 0  # as if every descriptor from 0 on were taken
            await Client.open(server)
            await until(lambda: server.door.refused_in_a_row == 1)
            await one.send(b"still\n")
            assert await two.receive(6) == b"still\n"
            one.writer.write_eof()
            await until(lambda: peer_of(server, 0).ended)
            three = await Client.connect(server)  # the half-closed one goes for it
            await until(lambda: len(server.peers) == 2)
            assert server.peers.closed[-1].reason == CloseReason.DESCRIPTORS
            await three.send(b"in\n")
            assert await two.receive(3) == b"in\n"

    run(main())
