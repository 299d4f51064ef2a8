"""Peers to which a write failed are read to the end of their streams."""

from __future__ import annotations

import socket

import pytest
from support.accepted import until
from support.scene import Play, Scene, heard, reset


@pytest.mark.parametrize("unread", [False, True], ids=["read", "unread"])
@pytest.mark.parametrize("policy", ["disconnect", "drop-oldest", "drop-newest", "latest", "block"])
def test_what_was_sent_before_a_close_arrives_though_a_write_fails_first(play: Play, policy: str, unread: bool) -> None:
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

    play(main, slow_consumer=policy)


def test_what_was_sent_before_a_close_is_handled_too(play: Play) -> None:
    async def main(scene: Scene) -> None:
        sender = await scene.connect()
        sender.send(b"one\ntwo\nthe last")
        sender.close()
        for number in range(3):
            scene.tell(b"%d" % number)
        await until(lambda: bool(scene.left))
        assert handled == [b"one", b"two", b"the last"]

    handled: list[bytes] = []
    play(main, lambda message: handled.append(message.payload))


def test_a_peer_that_shut_down_its_reading_is_still_heard(play: Play) -> None:
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

    play(main)


def test_a_reset_is_told_from_an_end_also_when_a_write_finds_out(play_tcp: Play) -> None:
    async def main(scene: Scene) -> None:
        witness, sender = await scene.connect(), await scene.connect()
        sender.send(b"whole\nhalf")
        reset(sender)
        scene.tell(b"0")
        assert await heard(witness, 8) == b"0\nwhole\n"
        await until(lambda: bool(scene.left))
        assert scene.left[0].reason == "reset"
        assert scene.left[0].messages_in == 1

    play_tcp(main)
