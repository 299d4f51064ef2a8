"""The queue of messages that a program has not taken."""

from __future__ import annotations

import asyncio

import pytest

from fastserver.client.incoming import Incoming
from fastserver.framing import FRAMINGS


def incoming(most: int = 10) -> tuple[Incoming[str], list[int]]:
    relieved: list[int] = []
    queue = Incoming(FRAMINGS["lines"], "peer", most, lambda: relieved.append(queue.bytes))
    return queue, relieved


def test_batches_come_as_they_were_added() -> None:
    async def main() -> None:
        queue, _ = incoming()
        queue.add(b"a\nb\n")
        queue.add(b"c\n")
        assert [(message.peer, message.payload) for message in await queue.batch()] == [("peer", b"a"), ("peer", b"b")]
        waiting = asyncio.ensure_future(queue.batch())
        assert [message.payload for message in await waiting] == [b"c"]
        queue.end(None)
        assert await queue.batch() == []

    asyncio.run(main())


def test_it_is_full_at_its_limit_and_relieved_at_half_of_it() -> None:
    async def main() -> None:
        queue, relieved = incoming()
        assert [queue.add(b"abcd\n") for _ in range(3)] == [False, True, True]
        assert queue.bytes == 15
        await queue.batch()
        assert relieved == []
        await queue.batch()
        assert relieved == [5]

    asyncio.run(main())


def test_the_first_end_counts_and_comes_after_the_messages() -> None:
    async def main() -> None:
        queue, _ = incoming()
        queue.add(b"a\n")
        queue.end(ConnectionResetError("first"))
        queue.end(None)
        assert len(await queue.batch()) == 1
        for _ in range(2):
            with pytest.raises(ConnectionResetError, match="first"):
                await queue.batch()

    asyncio.run(main())


def test_one_task_waits_at_a_time() -> None:
    async def main() -> None:
        queue, _ = incoming()
        waiting = asyncio.ensure_future(queue.batch())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await queue.batch()
        waiting.cancel()
        await asyncio.wait([waiting])
        queue.add(b"a\n")
        assert len(await queue.batch()) == 1

    asyncio.run(main())
