"""socat."""

from __future__ import annotations

from pathlib import Path

from conftest import Serve, StartProgram
from support.requirements import required_program
from support.server_process import ServerProcess


def socat() -> str:
    return required_program("socat", "socat")


def test_tcp(server: ServerProcess, start_program: StartProgram) -> None:
    """Two socats see what the other reads."""
    one = start_program(socat(), "-", f"TCP:127.0.0.1:{server.port}")
    server.wait_for_peers(1)
    other = start_program(socat(), "-", f"TCP:127.0.0.1:{server.port}")
    server.wait_for_peers(2)
    one.type(b"to you\n")
    other.output.wait_for_bytes(b"to you\n")
    other.type(b"to you too\n")
    one.output.wait_for_bytes(b"to you too\n")


def test_unix_and_tcp_are_one_channel(start_program: StartProgram, serve: Serve, tmp_path: Path) -> None:
    """With both listeners, a peer on the Unix socket and one on TCP hear each other."""
    path = tmp_path / "feed.sock"
    server = serve("--unix", str(path), "--port", "0")
    tcp = server.errors.wait_for(r"listening on 127\.0\.0\.1:(\d+), ")[1].decode()
    one = start_program(socat(), "-", f"UNIX-CONNECT:{path}")
    server.wait_for_peers(1)
    other = start_program(socat(), "-", f"TCP:127.0.0.1:{tcp}")
    server.wait_for_peers(2)
    one.type(b"from the file system\n")
    other.output.wait_for_bytes(b"from the file system\n")
    other.type(b"from the network\n")
    one.output.wait_for_bytes(b"from the network\n")


def test_one_way(server: ServerProcess, start_program: StartProgram) -> None:
    """`socat -u` each way: what the sender reads up to its end, the receiver writes."""
    reader = start_program(socat(), "-u", f"TCP:127.0.0.1:{server.port}", "-")
    server.wait_for_peers(1)
    writer = start_program(socat(), "-u", "-", f"TCP:127.0.0.1:{server.port}")
    writer.type(b"first\nlast, without its end")
    writer.end_input()
    assert writer.wait() == 0
    reader.output.wait_for_bytes(b"first\nlast, without its end\n")
