"""Options of the sockets that a server accepts."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest
from conftest import Run
from support.accepted import Client, peer_of

from fastserver import Config, Server
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


def config(**settings: Any) -> Config:
    return Config(**{"port": 0, "drain_timeout": 0.0, "log_messages": 0, **settings})


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
