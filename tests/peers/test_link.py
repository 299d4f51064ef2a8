"""How a connection ends: nothing that was sent is lost, nothing is cut without a word, and the kernel keeps nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop

from fastserver import CloseReason, Config, Message, Peer, Server
from fastserver.peers.figures import Figures
from fastserver.peers.socketlink import Sockets
from fastserver.peers.transportlink import TransportLink

DEADLINE = 30
Main = Callable[["Scene"], Coroutine[Any, Any, None]]


class Scene:
    """A server, plain sockets connected to it, and the figures of those that left it."""

    def __init__(
        self, unix: Path | None, stack: ExitStack, handler: Callable[[Message], object] | None, **settings: Any
    ) -> None:
        where: dict[str, Any] = {"port": 0} if unix is None else {"unix": str(unix)}
        self.server = Server(Config(**{"log_messages": 0, "drain_timeout": 0.05} | where | settings))
        self.unix = unix is not None
        self.address = ""
        self.left: list[Figures] = []
        self._stack = stack
        if handler is not None:
            self.server.on_message(handler)

        @self.server.on_disconnect
        def leave(peer: Peer, reason: CloseReason) -> None:
            self.left.append(peer.figures())

    async def connect(self, receive_buffer: int | None = None) -> socket.socket:
        """A socket that the server has let in."""
        family = socket.AF_UNIX if self.unix else socket.AF_INET
        sock = self._stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        address = self.address = self.server.addresses[0]
        before = self.server.peers.accepted
        loop = asyncio.get_running_loop()
        host, _, port = address.rpartition(":")
        await loop.sock_connect(sock, address.removeprefix("unix:") if self.unix else (host, int(port)))
        await until(lambda: self.server.peers.accepted > before)
        return sock

    def tell(self, line: bytes) -> None:
        """Send a line to everyone, now."""
        self.server.everyone.broadcast(line)
        self.server.flush.run()

    async def stuff(self, peer: Peer, line: bytes) -> None:
        """Send lines until the kernel takes no more for `peer`, which reads nothing."""
        while not peer.link.stuck and peer.reason is None:
            peer.send(line)
            self.server.flush.run()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition` holds."""
    while not condition():
        await asyncio.sleep(0)


async def heard(sock: socket.socket, size: int) -> bytes:
    """The next `size` bytes."""
    data = b""
    while len(data) < size:
        chunk = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
        assert chunk, data
        data += chunk
    return data


async def to_the_end(sock: socket.socket) -> tuple[bytes, bool]:
    """All that still comes, and whether the connection was reset."""
    data = bytearray()
    while True:
        try:
            chunk = await asyncio.get_running_loop().sock_recv(sock, 1 << 20)
        except ConnectionResetError:
            return bytes(data), True
        if not chunk:
            return bytes(data), False
        data += chunk


def reset(sock: socket.socket) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


class Run:
    """Runs a scene on a loop, over TCP or over the Unix socket at `path`."""

    def __init__(self, loop: Any, stack: ExitStack, path: Path | None) -> None:
        self._loop = loop
        self._stack = stack
        self._path = path

    def __call__(self, main: Main, handler: Callable[[Message], object] | None = None, **settings: Any) -> None:
        self._loop(self._whole(main, handler, settings))

    async def _whole(self, main: Main, handler: Callable[[Message], object] | None, settings: dict[str, Any]) -> None:
        scene = Scene(self._path, self._stack, handler, **settings)
        await scene.server.start()
        try:
            await asyncio.wait_for(main(scene), DEADLINE)
        finally:
            await scene.server.stop()


@pytest.fixture(params=["tcp", "unix"])
def run(request: pytest.FixtureRequest, loop: Any, stack: ExitStack, tmp_path: Path) -> Run:
    return Run(loop, stack, tmp_path / "feed" if request.param == "unix" else None)


@pytest.fixture(params=["socket", "transport"])
def run_any(request: pytest.FixtureRequest, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a scene with either kind of link. Only a socket keeps what was sent before a write that fails."""
    if request.param == "transport":
        monkeypatch.setattr(Sockets, "link", lambda _, owner, transport: TransportLink(owner, transport))
    return run


@pytest.fixture
def run_tcp(loop: Any, stack: ExitStack) -> Run:
    return Run(loop, stack, None)


@pytest.mark.parametrize("unread", [False, True], ids=["read", "unread"])
@pytest.mark.parametrize("policy", ["disconnect", "drop-oldest", "drop-newest", "latest", "block"])
def test_what_was_sent_before_a_close_arrives_though_a_write_fails_first(run: Run, policy: str, unread: bool) -> None:
    async def main(scene: Scene) -> None:
        witness, sender = await scene.connect(), await scene.connect()
        if unread:
            scene.tell(b"unread")
        sender.send(b"one\ntwo\nthe last")
        sender.close()
        for number in range(3):  # the first write finds out, the second fails; nothing was read yet
            scene.tell(b"%d" % number)
        assert scene.server.peers.totals().messages_in == 0
        # TCP answers a close with unread data by a reset: then there was no end of stream.
        whole = scene.unix or not unread
        expected = (b"unread\n" if unread else b"") + b"0\n1\n2\none\ntwo\n" + (b"the last\n" if whole else b"")
        assert await heard(witness, len(expected)) == expected
        await until(lambda: bool(scene.left))
        assert scene.left[0].messages_in == (3 if whole else 2)
        assert (
            scene.left[0].offered_messages
            == scene.left[0].messages_out + scene.left[0].dropped_messages + scene.left[0].pending_messages
        )

    run(main, slow_consumer=policy)


def test_what_was_sent_before_a_close_is_handled_too(run: Run) -> None:
    async def main(scene: Scene) -> None:
        sender = await scene.connect()
        sender.send(b"one\ntwo\nthe last")
        sender.close()
        for number in range(3):
            scene.tell(b"%d" % number)
        await until(lambda: bool(scene.left))
        assert handled == [b"one", b"two", b"the last"]

    handled: list[bytes] = []
    run(main, lambda message: handled.append(message.payload))


def test_a_peer_that_shut_down_its_reading_is_still_heard(run: Run) -> None:
    async def main(scene: Scene) -> None:
        if not scene.unix:
            return  # TCP does not tell
        witness, sender = await scene.connect(), await scene.connect()
        sender.shutdown(socket.SHUT_RD)
        scene.tell(b"0")
        sender.send(b"one\n")
        assert await heard(witness, 6) == b"0\none\n"
        sender.send(b"two\n")
        assert await heard(witness, 4) == b"two\n"
        sender.close()
        await until(lambda: bool(scene.left))

    run(main)


def test_a_reset_is_told_from_an_end_also_when_a_write_finds_out(run_tcp: Run) -> None:
    async def main(scene: Scene) -> None:
        witness, sender = await scene.connect(), await scene.connect()
        sender.send(b"whole\nhalf")
        reset(sender)
        scene.tell(b"0")
        assert await heard(witness, 8) == b"0\nwhole\n"
        await until(lambda: bool(scene.left))
        assert scene.left[0].reason == "reset"
        assert scene.left[0].messages_in == 1

    run_tcp(main)


@pytest.mark.parametrize("how", ["abort", "slow_consumer", "close", "stop", "memory"])
def test_a_message_that_is_cut_ends_in_a_reset_and_the_kernel_forgets_it(run_tcp: Run, how: str) -> None:
    async def main(scene: Scene) -> None:
        reader = await scene.connect(receive_buffer=4096)
        (peer,) = scene.server.peers
        line = b"x" * 9999
        await scene.stuff(peer, line)
        if how == "abort":
            peer.abort()
        elif how == "close":
            peer.close(within=0.05)
        elif how == "stop":
            await scene.server.stop()
        else:
            while not peer.closed and peer.reason is None:
                peer.send(line)
                scene.server.flush.run()
        await until(lambda: bool(scene.left))
        data, was_reset = await to_the_end(reader)
        assert was_reset
        assert data
        # Only what its system acknowledged counts as delivered; of what has come, that may be a segment or two less.
        figures = scene.left[0]
        assert len(data) - 8192 <= figures.bytes_out <= len(data)
        assert figures.messages_out <= data.count(b"\n")
        assert figures.offered_messages == figures.messages_out + figures.dropped_messages
        if sys.platform == "linux":
            assert not lingering(scene)

    settings = {
        "slow_consumer": {"max_pending": 64 * 1024},
        "memory": {"max_memory": 1024 * 1024, "max_message": 10000},
    }
    run_tcp(main, **settings.get(how, {}))


def lingering(scene: Scene) -> list[str]:
    """The queues in which the kernel still has something to send to the peer that has left (see proc(5))."""
    ours, theirs = [f":{int(address.rpartition(':')[2]):04X}" for address in (scene.address, scene.left[0].address)]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    left = [row[4] for row in rows if row[1].endswith(ours) and row[2].endswith(theirs)]
    return [queues for queues in left if int(queues.partition(":")[0], 16)]


def test_an_end_after_whole_messages_is_no_reset(run_any: Run) -> None:
    async def main(scene: Scene) -> None:
        reader = await scene.connect()
        (peer,) = scene.server.peers
        for number in range(100):
            peer.send(b"line %d" % number)
        peer.close()
        data, was_reset = await to_the_end(reader)
        assert not was_reset
        assert data == b"".join(b"line %d\n" % number for number in range(100))
        reader.close()
        await until(lambda: bool(scene.left))
        assert scene.left[0].messages_out == 100

    run_any(main)


def test_one_that_ended_its_stream_is_not_let_go_before_it_has_taken_everything(run_any: Run) -> None:
    async def main(scene: Scene) -> None:
        reader = await scene.connect(receive_buffer=4096)
        (peer,) = scene.server.peers
        await scene.stuff(peer, b"x" * 9999)
        for _ in range(10):
            peer.send(b"y" * 9999)
        reader.shutdown(socket.SHUT_WR)
        await until(lambda: peer.ended)
        peer.close(within=DEADLINE)
        data, was_reset = await to_the_end(reader)
        assert not was_reset
        assert data.endswith(b"y\n")
        assert len(data) % 10_000 == 0
        reader.close()
        await until(lambda: bool(scene.left))
        assert scene.left[0].bytes_out == len(data)
        assert scene.left[0].dropped_messages == 0

    run_any(main)


@pytest.mark.parametrize("policy", ["disconnect", "drop-oldest", "drop-newest", "latest", "block"])
def test_the_books_are_right_for_one_that_takes_late(run_any: Run, policy: str) -> None:
    async def main(scene: Scene) -> None:
        reader = await scene.connect(receive_buffer=4096)
        (peer,) = scene.server.peers
        await scene.stuff(peer, b"x" * 9999)
        for number in range(30):
            scene.server.everyone.broadcast(b"%09999d" % number)
            other = scene.server.channel("other")
            peer.join(other)
            other.broadcast(b"%09999d" % number)
            scene.server.flush.run()
        figures = peer.figures()
        assert figures.offered_messages == figures.messages_out + figures.pending_messages + figures.dropped_messages
        assert figures.pending_messages >= 60
        expected = figures.offered_bytes
        data = bytearray(await heard(reader, expected))
        assert len(data) == expected
        await until(lambda: peer.figures().pending_messages == 0)
        assert peer.figures().messages_out == expected // 10_000
        assert peer.figures().dropped_messages == 0

    run_any(main, slow_consumer=policy)


def test_ends_of_a_connection_that_is_gone_raise_nothing(run_any: Run) -> None:
    async def main(scene: Scene) -> None:
        socks = [await scene.connect() for _ in range(4)]
        stuck = await scene.connect(receive_buffer=4096)
        peers = list(scene.server.peers)
        await scene.stuff(peers[4], b"x" * 9999)
        for sock in (*socks, stuck):
            reset(sock)
        peers[0].send(b"too late")
        peers[0].close()
        peers[1].abort()
        peers[2].send(b"too late")
        scene.server.flush.run()
        peers[2].close()
        peers[2].close()
        await scene.server.stop()
        await scene.server.stop()
        assert not scene.server.peers
        for figures in scene.left:
            assert figures.offered_messages == figures.messages_out + figures.dropped_messages

    run_any(main)


def test_one_that_closed_unread_is_not_waited_for(run_any: Run) -> None:
    async def main(scene: Scene) -> None:
        witness, gone = await scene.connect(), await scene.connect()
        peer = list(scene.server.peers)[1]
        gone.send(b"bye\n")
        gone.shutdown(socket.SHUT_WR)
        assert await heard(witness, 4) == b"bye\n"
        await until(lambda: peer.ended)
        gone.close()
        scene.tell(b"nobody takes it")  # answered by a reset, which nobody reads
        peer.close(within=2 * DEADLINE)
        await until(lambda: bool(scene.left))

    run_any(main)


def test_the_kernel_holds_no_more_than_the_send_buffer(run: Run) -> None:
    async def main(scene: Scene) -> None:
        sizes = []
        for _ in range(2):
            await scene.connect(receive_buffer=4096)
            peer = list(scene.server.peers)[-1]
            await scene.stuff(peer, b"x" * 999)
            sizes.append(peer.figures().bytes_out)
        # Linux doubles what is asked for, for its own use; the reader's own buffer comes on top.
        assert max(sizes) < 256 * 1024

    run(main, send_buffer=16 * 1024)


def test_what_the_kernel_holds_for_peers_that_are_behind_counts_as_memory(run: Run) -> None:
    async def main(scene: Scene) -> None:
        honest = await scene.connect()
        (speaker,) = scene.server.peers
        honest.send(b"half a message")
        await until(lambda: speaker.incoming_bytes > 0)
        for _ in range(20):
            await scene.connect(receive_buffer=4096)
        line = b"x" * 9999
        while len(scene.server.flush.behind) < 20:
            scene.tell(line)
            await heard(honest, 10_000)
            await asyncio.sleep(0)  # a read that finds something does not let the loop run
        assert not scene.left  # they may still be taking
        await until(lambda: not any(map(scene.server.limits.pacing.readers.is_moving, scene.server.flush.behind)))
        while not scene.left:
            scene.tell(line)
            await asyncio.sleep(0)
        assert speaker.reason is None
        behind = [peer for peer in scene.server.peers if peer.link.stuck]
        assert sum(peer.link.kernel_memory for peer in behind) <= 4 * 1024 * 1024
        assert {figures.reason for figures in scene.left} == {"memory"}

    if sys.platform == "linux":
        run(main, max_memory=4 * 1024 * 1024, max_message=10_000)
