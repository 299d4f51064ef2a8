"""Peers that send what is no message, or send it in an odd way."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from faults.fault import Culprit, Target, fault, repeated

ALL = ("lines", "msgpack", "msgpack-stream")
PREFIXED = ("msgpack",)
OBJECTS = ("msgpack", "msgpack-stream")


@asynccontextmanager
async def sent(target: Target, data: bytes) -> AsyncIterator[None]:
    """Has a new peer send a message and then `data` until it is cut off, then another, and so on."""

    async def send() -> None:
        culprit = await Culprit.connect(target)
        try:
            with suppress(ConnectionError):
                await culprit.send(target.frame(b"so far so good") + data)
                await culprit.read_to_end()
        finally:
            culprit.close()

    async with repeated(target, send):
        yield


@fault("frame_error", "reset")
async def sends_a_line_without_end(target: Target) -> AsyncIterator[None]:
    """Sends what has no line feed: far more than a message may have."""
    async with sent(target, bytes(4 << 20)):
        yield


@fault("frame_error", "reset", modes=PREFIXED)
async def announces_4_gib(target: Target) -> AsyncIterator[None]:
    """Sends the length of 4 GiB, and begins with it."""
    async with sent(target, b"\xff" * 4 + bytes(1 << 20)):
        yield


@fault("frame_error", "reset", modes=OBJECTS)
async def nests_100_000_deep(target: Target) -> AsyncIterator[None]:
    """Sends an array in an array in an array…"""
    deep = b"\x91" * 100_000 + b"\xc0"
    async with sent(target, deep if target.mode == "msgpack-stream" else len(deep).to_bytes(4, "big") + deep):
        yield


@fault("frame_error", "reset", modes=OBJECTS)
async def sends_text_that_is_not_utf8(target: Target) -> AsyncIterator[None]:
    """Sends a string that no unpacker would take."""
    wrong = b"\xa3\xff\xfe\xfd"
    async with sent(target, wrong if target.mode == "msgpack-stream" else len(wrong).to_bytes(4, "big") + wrong):
        yield


@fault(modes=OBJECTS)
async def sends_a_map_whose_keys_collide(target: Target) -> AsyncIterator[None]:
    """Sends a map of timestamps that all have the same hash in CPython, which the log is to show."""
    pairs = b"".join([b"\xc7\x0c\xff" + struct.pack(">Iq", number, -number) + b"\xc0" for number in range(1, 10_001)])
    crowded = b"\xdf" + (10_000).to_bytes(4, "big") + pairs
    whole = crowded if target.mode == "msgpack-stream" else len(crowded).to_bytes(4, "big") + crowded
    culprit = await Culprit.connect(target)

    async def send() -> None:
        await culprit.send(whole)

    async def read() -> None:
        await culprit.read(1 << 20)

    try:
        async with repeated(target, read), repeated(target, send):
            yield
    finally:
        culprit.close()


@fault("reset", "frame_error", "eof", modes=ALL)
async def sends_random_bytes(target: Target) -> AsyncIterator[None]:
    """Sends random bytes, in which there may happen to be messages."""

    async def send() -> None:
        culprit = await Culprit.connect(target)
        try:
            await culprit.send(target.random.randbytes(20_000))
        finally:
            culprit.reset()

    async with repeated(target, send):
        yield


@fault(modes=ALL)
async def sends_a_byte_per_packet(target: Target) -> AsyncIterator[None]:
    """Sends messages, but each byte of them by itself."""
    culprit = await Culprit.connect(target)
    left = b""

    async def send() -> None:
        nonlocal left
        for _ in range(20):
            left = left or target.frame(b"bit by bit")
            await culprit.send(left[:1])
            left = left[1:]

    async def read() -> None:
        await culprit.read(1 << 20)

    try:
        async with repeated(target, read), repeated(target, send):
            yield
    finally:
        culprit.close()


@fault(modes=ALL, max_bytes_per_second=1_000_000)
async def sends_without_a_pause(target: Target) -> AsyncIterator[None]:
    """Sends messages as fast as they are taken, and reads what it hears meanwhile."""
    culprit = await Culprit.connect(target)
    flood = target.frame(b"more " * 200) * 100

    async def send() -> None:
        while True:
            await culprit.send(flood)

    async def read() -> None:
        while await culprit.read(1 << 20):
            pass

    tasks = [asyncio.ensure_future(send()), asyncio.ensure_future(read())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        culprit.close()


@fault("reset", modes=ALL)
async def resets_within_a_message(target: Target) -> AsyncIterator[None]:
    """Sends half a message and resets the connection."""

    async def send() -> None:
        culprit = await Culprit.connect(target)
        try:
            await culprit.send(target.frame(b"never heard " * 100)[:-600])
        finally:
            culprit.reset()

    async with repeated(target, send):
        yield


@fault(modes=ALL)
async def stalls_within_a_message(target: Target) -> AsyncIterator[None]:
    """Sends half a message and nothing more, but goes on reading."""
    culprit = await Culprit.connect(target)
    await culprit.send(target.frame(b"never heard " * 100)[:-600])

    async def read() -> None:
        await culprit.read(1 << 20)

    try:
        async with repeated(target, read):
            yield
    finally:
        culprit.close()


@fault("memory", modes=ALL, max_memory=4 << 20)
async def begins_many_long_messages(target: Target) -> AsyncIterator[None]:
    """Has twenty peers that send all but the end of the longest message there may be, and then wait."""
    culprits: list[Culprit] = []
    begun = target.frame(bytes(1_000_000))[:-1]

    async def begin() -> None:
        for one in [one for one in culprits if one.gone]:
            one.close()
            culprits.remove(one)
        while len(culprits) < 20:
            culprits.append(await Culprit.connect(target))
            with suppress(ConnectionError):
                await culprits[-1].send(begun)

    try:
        async with repeated(target, begin):
            yield
    finally:
        for one in culprits:
            one.close()
