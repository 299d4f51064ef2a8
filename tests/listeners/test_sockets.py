"""Listening sockets."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from fastserver.errors import ListenError
from fastserver.listeners import sockets as listener
from fastserver.listeners.sockets import identity, listen_tcp, listen_unix, remove_unix


def test_all_addresses_of_a_name_share_the_port_chosen() -> None:
    sockets = listen_tcp("localhost", 0)
    try:
        assert len({one.getsockname()[1] for one in sockets}) == 1
    finally:
        for one in sockets:
            one.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_what_cannot_be_listened_on(host: str) -> None:
    with pytest.raises(ListenError, match=f"cannot listen on {host}:0: "):
        listen_tcp(host, 0)


def test_unix_socket_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "feed.sock"
    with listen_unix(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_stale_socket_file_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "feed.sock")
    listen_unix(path).close()
    with listen_unix(path) as live:
        with pytest.raises(ListenError, match=f"cannot listen on unix:{path}: address already in use"):
            listen_unix(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        assert live.fileno() > 0


@pytest.mark.parametrize("stale", [False, True])
def test_two_at_once_do_not_both_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stale: bool) -> None:
    """A server that starts while another has its file but does not listen yet must not take that for a stale one."""
    path = str(tmp_path / "feed.sock")
    if stale:
        listen_unix(path).close()
    listen, sleep = socket.socket.listen, time.sleep
    second: list[threading.Thread] = []
    decided = threading.Event()
    outcomes: list[object] = []

    def start() -> None:
        try:
            outcomes.append(listen_unix(path))
        except ListenError as error:
            outcomes.append(str(error))
        decided.set()

    def wait(seconds: float) -> None:
        decided.set()
        sleep(seconds)

    def begin(one: socket.socket, backlog: int) -> None:
        if not second:
            second.append(threading.Thread(target=start))
            second[0].start()
            assert decided.wait(60)  # the second has listened, or waits
        listen(one, backlog)

    monkeypatch.setattr(time, "sleep", wait)
    monkeypatch.setattr(socket.socket, "listen", begin)
    with listen_unix(path), socket.socket(socket.AF_UNIX) as client:
        second[0].join(60)
        assert outcomes == [f"cannot listen on unix:{path}: address already in use"]
        client.connect(path)
    assert os.listdir(tmp_path) == ["feed.sock"]


def test_folder_that_another_program_keeps_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it is given up, and said."""
    monkeypatch.setattr(listener, "LOCKED", 0.0)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(ListenError, match=r"cannot listen on unix:.*: another program keeps its folder locked"):
            listen_unix(str(tmp_path / "feed.sock"))
    finally:
        os.close(folder)
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine")
    with pytest.raises(ListenError, match="address already in use"):
        listen_unix(str(path))
    assert path.read_text() == "mine"


def test_only_ones_own_socket_file_is_removed(tmp_path: Path) -> None:
    path = str(tmp_path / "feed.sock")
    first = listen_unix(path)
    own = identity(path)
    os.unlink(path)
    with first, listen_unix(path):
        remove_unix(path, (own[0], own[1] + 1_000_000))
        assert os.path.exists(path)
        remove_unix(path, identity(path))
        assert not os.path.exists(path)
        remove_unix(path, own)  # gone already: nothing to do
