"""Peers that do not take what they are sent."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import suppress

from faults.fault import Culprit, Target, fault, renewed


@fault("slow_consumer")
async def stops_reading(target: Target) -> AsyncIterator[None]:
    """Reads nothing, and does not know when it is cut off: the end of its stream lies behind what it has not read."""
    stuck = await Culprit.connect(target, small=True)
    yield
    stuck.close()


@fault("slow_consumer")
async def sends_but_reads_nothing(target: Target) -> AsyncIterator[None]:
    """Is heard all the time, and does not hear."""

    async def say(stuck: Culprit) -> bool:
        await stuck.send(target.frame(b"I am not listening"))
        return True

    async with renewed(target, say):
        yield


@fault("slow_consumer")
async def reads_a_byte_at_a_time(target: Target) -> AsyncIterator[None]:
    """Reads one byte whenever the others have got on."""
    async with renewed(target, lambda slow: slow.read(1)):
        yield


@fault("slow_consumer")
async def half_closes_and_reads_nothing(target: Target) -> AsyncIterator[None]:
    """Ends its stream within a message, and takes nothing of what it may still hear."""
    stuck = [await Culprit.connect(target, small=True) for _ in range(10)]
    for one in stuck:
        with suppress(OSError):  # cut off already
            await one.send(target.frame(b"my last")[:-1])
            one.socket.shutdown(socket.SHUT_WR)
    yield
    for one in stuck:
        one.close()
