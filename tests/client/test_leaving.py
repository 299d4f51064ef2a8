"""Closing a blocking client: messages that were sent are not lost, or the program is told."""

from __future__ import annotations

import socket
import threading

import pytest
from support.both_ends import both_blocking_ends, read_to_end
from support.resets import reset_now
from support.threaded_server import echo, threaded_server

from fastserver.client import blocking
from fastserver.client.blocking import BlockingClient


def test_closing_delivers_all_that_was_sent_to_a_server_that_talks() -> None:
    received: list[bytes] = []

    def serve(peer: socket.socket) -> None:
        with peer.makefile("rb") as lines:
            for line in lines:
                received.append(line)
                peer.sendall(line)

    with threaded_server(serve) as address, BlockingClient(address) as client:
        for _ in range(100):
            client.send(b"x" * 1000)
    assert received == [b"x" * 1000 + b"\n"] * 100


@pytest.mark.parametrize("how", ["reset", "unread", "end"])
def test_closing_says_that_what_was_sent_may_be_lost(how: str) -> None:
    """Unless another call has said so. A second call does nothing."""
    for told in (False, True):
        with both_blocking_ends() as (client, theirs):
            client.send(b"one")
            theirs.recv(1 if how == "unread" else 100)
            if how == "reset":
                reset_now(theirs)
            else:
                theirs.close()
            if how == "end":
                client.send(b"two")
            if told:
                with pytest.raises((ConnectionError, EOFError)):
                    client.receive()
            if told and how != "end":
                client.close()
            else:
                with pytest.raises(ConnectionError, match="may be lost"):
                    client.close()
            client.close()


def test_leaving_does_not_wait_for_a_server_that_has_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "LINGER", 3600)
    with both_blocking_ends() as (client, theirs):
        client.send(b"x")
        assert theirs.recv(10) == b"x\n"
        client.close()


def test_closing_says_what_a_server_did_not_take() -> None:
    with both_blocking_ends(receive_buffer=4096, close_timeout=0.05) as (client, _):
        client.send(b"x" * 100_000)
        with pytest.raises(TimeoutError, match=r"did not take the last \d+ bytes within 0.05 s"):
            client.close()


def test_a_server_that_ends_has_what_was_sent_before_the_client_leaves() -> None:
    with both_blocking_ends() as (client, theirs):
        client.send(b"one")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(EOFError):
            client.receive()
        client.send(b"two")
        client.close()
        assert read_to_end(theirs) == b"one\ntwo\n"


def test_an_error_in_the_program_is_not_hidden_by_one_of_closing() -> None:
    def fail() -> None:
        with both_blocking_ends() as (client, theirs):
            client.send(b"x")
            reset_now(theirs)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_after_closing() -> None:
    with threaded_server(lambda peer: peer.sendall(b"1\n2\n") or echo(peer)) as address:  # type: ignore[func-returns-value]
        client = BlockingClient(address, reconnect=True)
        assert client.receive().payload == b"1"
        assert client.fileno() > 2
        client.close()
        assert client.fileno() == -1
        assert [message.payload for message in client] == [b"2"]
        for step in (lambda: client.send(b"x"), client.finish, client.__enter__):
            with pytest.raises(ConnectionError, match="was closed"):
                step()  # type: ignore[no-untyped-call]
        with pytest.raises(EOFError, match="was closed"):
            client.receive()


def test_closing_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "LINGER", 0.01)
    done = threading.Event()

    def serve(peer: socket.socket) -> None:
        peer.recv(10)
        done.wait()

    with threaded_server(serve) as address:
        client = BlockingClient(address)
        client.send(b"x")
        client.close()
        done.set()
