"""Fixtures of the tests with real programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Serve
from support.server_process import ServerProcess


@pytest.fixture
def server(serve: Serve) -> ServerProcess:
    """A server of lines on TCP."""
    return serve()


@pytest.fixture
def unix_server(serve: Serve, tmp_path: Path) -> ServerProcess:
    """A server of lines on a Unix socket."""
    return serve("--unix", str(tmp_path / "feed.sock"))
