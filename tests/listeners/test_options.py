"""Options of the sockets that a server accepts."""

from __future__ import annotations

import socket
import sys

import pytest

from fastserver import Config
from fastserver.listeners.options import accepted, kept_alive
from fastserver.listeners.sockets import listen_tcp
from fastserver.socketoptions import set_options


@pytest.mark.parametrize(("idle", "options"), [(60, (1, 60, 20, 3)), (2, (1, 2, 1, 3)), (None, (0, 0, 0, 0))])
def test_accepted_sockets_are_kept_alive(idle: int | None, options: tuple[int, ...]) -> None:
    (listening,) = listen_tcp("127.0.0.1", 0)
    set_options(listening, kept_alive(idle))
    with listening, socket.create_connection(listening.getsockname()):
        listening.setblocking(True)
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == options[0]
            if idle is not None and sys.platform == "linux":
                names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                assert tuple(connection.getsockopt(socket.IPPROTO_TCP, name) for name in names) == options[1:]


def test_send_buffer_and_latest_have_options_of_their_own() -> None:
    assert accepted(Config(keepalive=None)) == []
    assert accepted(Config(keepalive=None, send_buffer=65536)) == [("SO_SNDBUF", 65536)]
    assert [name for name, _ in accepted(Config(keepalive=None, slow_consumer="latest"))] == ["TCP_NOTSENT_LOWAT"]
