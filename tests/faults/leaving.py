"""Peers that leave, or stay, in a way that costs others if the server is not careful."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import suppress

from faults.fault import Culprit, Target, fault, renewed, repeated


@fault("eof", "reset", modes=("lines", "msgpack", "msgpack-stream"))
async def sends_and_closes_without_reading(target: Target) -> AsyncIterator[None]:
    """Lets what it hears pile up unread, sends a message, and closes: writes to it fail before it is read."""
    waiting = [await Culprit.connect(target) for _ in range(5)]

    async def come_and_go() -> None:
        one = waiting.pop(0)
        try:
            with suppress(ConnectionError):
                await one.send(target.frame(b"my first and last"))
        finally:
            one.close()
        waiting.append(await Culprit.connect(target))

    try:
        async with repeated(target, come_and_go):
            yield
    finally:
        for one in waiting:
            one.close()


@fault("slow_consumer", pace_timeout=1.0)
async def takes_little_and_stays_behind(target: Target) -> AsyncIterator[None]:
    """Is far behind all the time, and takes a little now and then, so that it never stands still."""
    async with renewed(target, lambda slow: slow.read(2000)):
        yield


@fault("slow_consumer", "memory")
async def says_many_empty_lines_and_reads_nothing(target: Target) -> AsyncIterator[None]:
    """Fills the books of a peer that is behind with as many messages of its own as there can be."""

    async def say(stuck: Culprit) -> bool:
        await stuck.send(b"\n" * 50)
        return True

    async with renewed(target, say):
        yield


@fault("eof", "reset")
async def is_a_health_check(target: Target) -> AsyncIterator[None]:
    """Connects and ends its stream, and only then, after a while, closes."""
    checks: list[Culprit] = []

    async def check() -> None:
        one = await Culprit.connect(target)
        checks.append(one)
        with suppress(OSError):
            one.socket.shutdown(socket.SHUT_WR)
        if len(checks) > 20:
            checks.pop(0).close()

    try:
        async with repeated(target, check):
            yield
    finally:
        for one in checks:
            one.close()


@fault("http", "reset", "eof")
async def is_a_web_page(target: Target) -> AsyncIterator[None]:
    """Posts what a browser would: its lines are not passed on."""

    async def post() -> None:
        culprit = await Culprit.connect(target)
        try:
            with suppress(ConnectionError):
                await culprit.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nnot for anybody\n")
                await culprit.read_to_end()
        finally:
            culprit.close()

    async with repeated(target, post):
        yield
