"""Answers to the options of telnet, over real sockets."""

from __future__ import annotations

import asyncio
import socket

import pytest
from conftest import Run
from support.accepted import Client, peer_of, until
from support.scene import Play, Scene, heard

from fastserver import Config, Peer, Server

WILL_TYPE, DONT_TYPE = b"\xff\xfb\x18", b"\xff\xfe\x18"
DO_ECHO, DONT_ECHO, WONT_ECHO = b"\xff\xfd\x01", b"\xff\xfe\x01", b"\xff\xfc\x01"


async def say(sock: socket.socket, data: bytes) -> None:
    """Send all of `data`."""
    await asyncio.get_running_loop().sock_sendall(sock, data)


async def all_read(peer: Peer, size: int) -> None:
    """Wait until the server has read so many bytes of `peer`."""
    await until(lambda: peer.bytes_in == size)


def check_books(scene: Scene) -> None:
    """Everyone was offered what it got, will get, or never gets."""
    for peer in scene.server.peers:
        offered, dropped, pending = peer.offered(), peer.dropped, peer.pending()
        assert peer.delivered_bytes == offered[1] - dropped[1] - pending[1] >= 0
        assert offered[0] - dropped[0] - pending[0] >= 0


def test_each_is_given_once(play_any: Play) -> None:
    async def main(scene: Scene) -> None:
        asks, listens = await scene.connect(), await scene.connect()
        for _ in range(1000):
            await say(asks, DO_ECHO + WILL_TYPE)
        assert await heard(asks, 6) == WONT_ECHO + DONT_TYPE
        await say(asks, b"a" + DO_ECHO + b"b\n")
        assert await heard(listens, 4) == b"ab\r\n"
        await say(listens, b"next\n")
        assert await heard(asks, 6) == b"next\r\n"  # and no answer before it
        await say(asks, DONT_ECHO + DO_ECHO)
        assert await heard(asks, 3) == WONT_ECHO
        peer = peer_of(scene.server, 0)
        assert peer.offered() == (1, 15)
        assert peer.delivered_bytes == 15
        check_books(scene)

    play_any(main, mode="telnet")


@pytest.mark.parametrize(("role", "answer"), [("send", WONT_ECHO), ("receive", b"")])
def test_one_that_only_sends_is_answered_and_one_that_only_receives_is_not(run: Run, role: str, answer: bytes) -> None:
    async def main() -> None:
        async with Server(Config(listen=(f"telnet://127.0.0.1:0?role={role}",), drain_timeout=0.0)) as server:
            asks = await Client.connect(server)
            await asks.send(DO_ECHO)
            assert await asks.receive(len(answer)) == answer
            await until(lambda: peer_of(server, 0).bytes_in == 3)
            assert peer_of(server, 0).offered() == (0, len(answer))

    run(main())


def test_one_that_reads_nothing_is_answered_between_messages_when_it_has_caught_up(play_any: Play) -> None:
    line = b"x" * 9998 + b"\r\n"

    async def main(scene: Scene) -> None:
        asks = await scene.connect(4096)
        peer = peer_of(scene.server, 0)
        await scene.stuff(peer, line[:-2])
        await say(asks, DO_ECHO * 100 + WILL_TYPE)
        await until(lambda: peer.bytes_in == 303)
        for _ in range(3):
            scene.tell(line[:-2])
        offered = peer.offered()
        assert offered[1] == offered[0] * len(line)
        check_books(scene)
        for _ in range(offered[0]):
            assert await heard(asks, len(line)) == line
        assert await heard(asks, 6) == WONT_ECHO + DONT_TYPE
        assert peer.offered() == (offered[0], offered[1] + 6)
        scene.tell(b"after")
        assert await heard(asks, 7) == b"after\r\n"
        check_books(scene)

    play_any(main, mode="telnet", max_pending=1 << 22)


def test_an_answer_that_the_kernel_does_not_take_is_pending(play_any: Play) -> None:
    asked = b"".join(b"\xff\xfd%c\xff\xfb%c" % (option, option) for option in range(256))
    withdrawn = b"".join(b"\xff\xfe%c\xff\xfc%c" % (option, option) for option in range(256))

    async def main(scene: Scene) -> None:
        asks = await scene.connect(4096)
        peer = peer_of(scene.server, 0)
        answers = messages = sent = 0
        line = b"y" * 998 + b"\r\n"
        while not peer.link.stuck:  # in turns, so that it is an answer that is not taken, or a message
            await say(asks, asked + withdrawn)
            answers += 1
            sent += 2 * len(asked)
            await all_read(peer, sent)
            assert peer.offered()[0] == messages
            if not peer.link.stuck:
                messages += 1
                scene.tell(line[:-2])
        check_books(scene)
        left = peer.pending_bytes
        assert left > 0
        scene.tell(b"last")
        assert peer.pending()[1] == left + 6
        wanted = peer.offered()[1]
        stream = await heard(asks, wanted)
        assert stream.count(line) == messages
        assert b"last\r\n" in stream
        commands = stream.replace(line, b"").replace(b"last\r\n", b"")
        assert commands[::3] == b"\xff" * (len(commands) // 3)
        assert set(commands[1::3]) == {252, 254}
        assert len(commands) >= 3 * 512 * (answers - 1)
        check_books(scene)

    play_any(main, mode="telnet")
