"""How a connection ends: nothing that was sent is lost, nothing is cut without a word, and the kernel keeps nothing."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from support.accepted import until
from support.scene import DEADLINE, Play, Scene, heard, reset, to_the_end


@pytest.mark.parametrize("how", ["abort", "slow_consumer", "close", "stop", "memory"])
def test_a_message_that_is_cut_ends_in_a_reset_and_the_kernel_forgets_it(play_tcp: Play, how: str) -> None:
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
                scene.server.tick.run()
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
    play_tcp(main, **settings.get(how, {}))


def lingering(scene: Scene) -> list[str]:
    """The queues in which the kernel still has something to send to the peer that has left (see proc(5))."""
    ours, theirs = [f":{int(address.rpartition(':')[2]):04X}" for address in (scene.address, scene.left[0].address)]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    left = [row[4] for row in rows if row[1].endswith(ours) and row[2].endswith(theirs)]
    return [queues for queues in left if int(queues.partition(":")[0], 16)]


def test_an_end_after_whole_messages_is_no_reset(play_any: Play) -> None:
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

    play_any(main)


def test_one_that_ended_its_stream_is_not_let_go_before_it_has_taken_everything(play_any: Play) -> None:
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

    play_any(main)


@pytest.mark.parametrize("policy", ["disconnect", "drop-oldest", "drop-newest", "latest", "block"])
def test_the_books_are_right_for_one_that_takes_late(play_any: Play, policy: str) -> None:
    async def main(scene: Scene) -> None:
        reader = await scene.connect(receive_buffer=4096)
        (peer,) = scene.server.peers
        await scene.stuff(peer, b"x" * 9999)
        for number in range(30):
            scene.server.everyone.broadcast(b"%09999d" % number)
            other = scene.server.channel("other")
            peer.join(other)
            other.broadcast(b"%09999d" % number)
            scene.server.tick.run()
        figures = peer.figures()
        assert figures.offered_messages == figures.messages_out + figures.pending_messages + figures.dropped_messages
        assert figures.pending_messages >= 60
        expected = figures.offered_bytes
        data = bytearray(await heard(reader, expected))
        assert len(data) == expected
        await until(lambda: peer.figures().pending_messages == 0)
        assert peer.figures().messages_out == expected // 10_000
        assert peer.figures().dropped_messages == 0

    play_any(main, slow_consumer=policy)


def test_ends_of_a_connection_that_is_gone_raise_nothing(play_any: Play) -> None:
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
        scene.server.tick.run()
        peers[2].close()
        peers[2].close()
        await scene.server.stop()
        await scene.server.stop()
        assert not scene.server.peers
        for figures in scene.left:
            assert figures.offered_messages == figures.messages_out + figures.dropped_messages

    play_any(main)


def test_one_that_closed_unread_is_not_waited_for(play_any: Play) -> None:
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

    play_any(main)


def test_the_kernel_holds_no_more_than_the_send_buffer(play: Play) -> None:
    async def main(scene: Scene) -> None:
        sizes = []
        for _ in range(2):
            await scene.connect(receive_buffer=4096)
            peer = list(scene.server.peers)[-1]
            await scene.stuff(peer, b"x" * 999)
            sizes.append(peer.figures().bytes_out)
        # Linux doubles what is asked for, for its own use; the reader's own buffer comes on top.
        assert max(sizes) < 256 * 1024

    play(main, send_buffer=16 * 1024)


def test_what_the_kernel_holds_for_peers_that_are_behind_counts_as_memory(play: Play) -> None:
    async def main(scene: Scene) -> None:
        honest = await scene.connect()
        (speaker,) = scene.server.peers
        honest.send(b"half a message")
        await until(lambda: speaker.incoming_bytes > 0)
        for _ in range(20):
            await scene.connect(receive_buffer=4096)
        line = b"x" * 9999
        while len(scene.server.tick.behind) < 20:
            scene.tell(line)
            await heard(honest, 10_000)
            await asyncio.sleep(0)  # a read that finds something does not let the loop run
        assert not scene.left  # they may still be taking
        await until(lambda: not any(map(scene.server.limits.pacing.readers.is_moving, scene.server.tick.behind)))
        while not scene.left:
            scene.tell(line)
            await asyncio.sleep(0)
        assert speaker.reason is None
        behind = [peer for peer in scene.server.peers if peer.link.stuck]
        assert sum(peer.link.kernel_memory for peer in behind) <= 4 * 1024 * 1024
        assert {figures.reason for figures in scene.left} == {"memory"}

    if sys.platform == "linux":
        play(main, max_memory=4 * 1024 * 1024, max_message=10_000)
