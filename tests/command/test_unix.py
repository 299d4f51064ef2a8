"""The command on a Unix socket: who may use the file, and when it is replaced or removed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from support.child_process import ChildProcess
from support.command import COMMAND, PURE, attempt, environment, standard_loop
from support.connection import Connection
from support.server_process import ServerProcess

from fastserver.listeners.sockets import listen_unix


def talk(server: ServerProcess) -> None:
    """Two new peers hear each other."""
    one, other = server.connect(), server.connect()
    before = server.log.count("Received message")
    one.send(b"hello\n")
    assert other.read_line() == b"hello\n"
    server.errors.wait_for_count("Received message from [0-9]+ unix:.*: hello$", before + 1)


def test_file(serve: Serve, tmp_path: Path) -> None:
    """The file is there for its owner alone while the server runs, and gone after."""
    path = tmp_path / "feed.sock"
    server = serve("--unix", str(path))
    assert f"listening on unix:{path}, mode lines\n" in server.log
    assert "127.0.0.1" not in server.log
    mode = path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    talk(server)
    server.stop()
    assert not path.exists()


def test_stale_file_is_replaced(serve: Serve, tmp_path: Path) -> None:
    """A file that a killed server left behind is in nobody's way."""
    path = tmp_path / "feed.sock"
    killed = serve("--unix", str(path))
    killed.stopped = True
    killed.signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert path.exists()
    talk(serve("--unix", str(path)))


def test_live_file_is_not_replaced(serve: Serve, tmp_path: Path) -> None:
    """A second server ends with one line and exit code 1; the first goes on and keeps its file."""
    path = tmp_path / "feed.sock"
    server = serve("--unix", str(path))
    ended = attempt("--unix", str(path), folder=tmp_path)
    assert ended.code == 1
    assert ended.errors == [f"fastserver: cannot listen on unix:{path}: address already in use"]
    talk(server)


@pytest.mark.parametrize("content", [b"", b"precious"])
def test_other_file_is_not_touched(tmp_path: Path, content: bytes) -> None:
    """A file that is no socket stays what it is."""
    path = tmp_path / "notes"
    path.write_bytes(content)
    ended = attempt("--unix", str(path), folder=tmp_path)
    assert ended.code == 1
    assert ended.errors == [f"fastserver: cannot listen on unix:{path}: address already in use"]
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["missing/feed.sock", "x" * 200])
def test_path_that_cannot_be(tmp_path: Path, name: str) -> None:
    """The command writes one line that names the path; exit code 1."""
    path = tmp_path / name
    ended = attempt("--unix", str(path), folder=tmp_path)
    assert ended.code == 1
    assert len(ended.errors) == 1, ended.errors
    assert ended.errors[0].startswith(f"fastserver: cannot listen on unix:{path}: ")


def test_file_of_a_successor_is_not_removed(serve: Serve, tmp_path: Path) -> None:
    """A server whose file was replaced leaves the new one alone when it stops."""
    path = tmp_path / "feed.sock"
    first = serve("--unix", str(path))
    path.unlink()
    second = serve("--unix", str(path))
    first.stop()
    talk(second)


def test_nothing_is_left_when_the_port_is_taken(serve: Serve, tmp_path: Path) -> None:
    """A server that cannot have its port does not leave a socket file behind."""
    path = tmp_path / "feed.sock"
    server = serve()
    ended = attempt("--unix", str(path), "--port", str(server.port), folder=tmp_path)
    assert ended.code == 1
    assert len(ended.errors) == 1, ended.errors
    assert not path.exists()


def test_bound_but_not_listening(serve: Serve, tmp_path: Path) -> None:
    """A socket file that something bound and closed is as stale as any other."""
    path = tmp_path / "feed.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(os.fspath(path))
    talk(serve("--unix", str(path)))


@pytest.mark.parametrize("loop", [(), standard_loop()], ids=["uvloop", "asyncio"])
def test_several_at_once(start_program: StartProgram, tmp_path: Path, loop: tuple[str, ...]) -> None:
    """Of servers that start at once, a stale file there or not, one listens; the others end like any that is late."""
    path = tmp_path / "feed.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(os.fspath(path))
    servers = [start_program(*loop, *COMMAND, "--unix", path, environment=environment()) for _ in range(5)]
    ended = [server for server in servers if not listens(server)]
    assert len(ended) == 4
    for server in ended:
        assert server.wait() == 1
        errors = [line for line in server.errors.wait_for_end().decode().splitlines() if PURE not in line]
        assert errors == [f"fastserver: cannot listen on unix:{path}: address already in use"]
    (server,) = [server for server in servers if server not in ended]
    one, other = Connection(str(path)), Connection(str(path))
    with contextlib.closing(one), contextlib.closing(other):
        other.send(b"hello\n")
        assert one.read_line() == b"hello\n"
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert os.listdir(tmp_path) == []


def listens(server: ChildProcess) -> bool:
    """Whether it listens, as soon as that is known."""
    return server.errors.wait_for("listening on|cannot listen on")[0] == b"listening on"


def test_folder_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder that may be written but not read serves as well."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    folder = tmp_path / "drop"
    folder.mkdir(0o300)
    with listen_unix(f"{folder}/feed.sock"):
        assert stat.S_ISSOCK(os.stat(f"{folder}/feed.sock").st_mode)
