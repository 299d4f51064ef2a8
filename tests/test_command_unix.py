"""The command on a Unix socket: who may use the file, and when it is replaced or removed."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import pytest
from conftest import Serve
from running import RunningServer, attempt


def talk(server: RunningServer) -> None:
    """Two new peers hear each other."""
    one, other = server.connect(), server.connect()
    before = server.log.count("Received message")
    one.send(b"hello\n")
    assert other.read_line() == b"hello\n"
    server.errors.wait_for_count("Received message from [0-9]+ unix:.*: hello$", before + 1)


def test_file(serve: Serve, tmp_path: Path) -> None:
    """It is there for its owner alone while the server runs, and gone after."""
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
    """One line that names the path; exit code 1."""
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
