"""Fixtures that play scenes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support.scene import Play

from fastserver.peers.socketlink import Sockets
from fastserver.peers.transportlink import TransportLink


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture(params=["tcp", "unix"])
def play(request: pytest.FixtureRequest, loop: Any, stack: ExitStack, tmp_path: Path) -> Play:
    return Play(loop, stack, tmp_path / "feed" if request.param == "unix" else None)


@pytest.fixture(params=["socket", "transport"])
def play_any(request: pytest.FixtureRequest, play: Play, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs a scene with either kind of link. Only a socket keeps what was sent before a write that fails."""
    if request.param == "transport":
        monkeypatch.setattr(Sockets, "link", lambda _, owner, transport: TransportLink(owner, transport))
    return play


@pytest.fixture
def play_tcp(loop: Any, stack: ExitStack) -> Play:
    return Play(loop, stack, None)
