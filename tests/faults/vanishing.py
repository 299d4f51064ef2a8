"""Peers whose host vanishes."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import suppress

from faults.fault import Target, fault
from faults.network import link
from support.requirements import required_program


@fault("slow_consumer", "reset", needs="host")
async def its_host_vanishes(target: Target) -> AsyncIterator[None]:
    """Is cut off from the network, and only knows it when the block ends."""
    assert not isinstance(target.address, str)
    host, port = target.address
    netcat = required_program("nc.openbsd", "netcat-openbsd")
    command = (required_program("ip", "iproute2"), "netns", "exec", target.host, netcat, "-v", host, str(port))
    peers = [await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE) for _ in range(3)]
    try:
        for one in peers:
            assert one.stderr is not None
            await one.stderr.readline()  # that it is connected
        link(target.host, "down")
        yield
    finally:
        link(target.host, "up")
        for one in peers:
            with suppress(ProcessLookupError):
                one.kill()
            await one.communicate()
