"""The kernel's knowledge of a connection."""

from __future__ import annotations

import socket
import sys

import pytest

from fastserver.kernel import silence


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell")
def test_silence_of_a_connection() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    with listening, socket.create_connection(listening.getsockname()) as one, listening.accept()[0] as other:
        one.sendall(b"xy")
        other.recv(1)
        assert silence(other.fileno()) == 0  # who has been heard only in part is not silent
        other.recv(1)
        while not silence(other.fileno()):
            pass
    assert silence(-1) == 0.0
