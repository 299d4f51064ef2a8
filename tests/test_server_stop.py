"""Start and stop: nothing is promised before it is so, and a stop can be asked for again, from anywhere."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from support.accepted import Client

from fastserver import CloseReason, Config, ListenError, Message, Peer, Server

DEADLINE = 20


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 5.0, **settings}))


@pytest.mark.parametrize("interval", [None, 0.001])
@pytest.mark.parametrize("handled", [False, True])
def test_a_broadcast_before_the_start_leaves_nothing(run: Run, interval: float | None, handled: bool) -> None:
    async def main() -> None:
        made = server(flush_interval=interval)
        if handled:
            made.on_message(Message.broadcast)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="the server has not started"):
                made.everyone.broadcast(b"too early")
            with pytest.raises(RuntimeError, match="the server has not started"):
                made.channel("room").broadcast(b"too early")
        async with made:
            one, two = await Client.connect(made), await Client.connect(made)
            one.writer.write(b"hello\n")
            assert await two.reader.readline() == b"hello\n"
            made.everyone.broadcast(b"all")
            assert await one.reader.readline() == await two.reader.readline() == b"all\n"
            await one.close()
            await two.close()

    run(main())


def test_a_broadcast_from_a_wrong_thread_leaves_nothing() -> None:
    """In debug mode the standard loop notices."""

    async def main() -> None:
        async with server() as made:
            one = await Client.connect(made)

            def work() -> None:
                with pytest.raises(RuntimeError, match=r"[Nn]on-thread-safe"):
                    made.everyone.broadcast(b"wrong")
                with pytest.raises(RuntimeError, match=r"[Nn]on-thread-safe"):
                    made.tick.rest(next(iter(made.peers)))
                with pytest.raises(RuntimeError, match=r"[Nn]on-thread-safe"):
                    next(iter(made.peers)).relay(b"wrong\n", 0, 6)

            await asyncio.to_thread(work)
            made.everyone.broadcast(b"right")
            assert await one.reader.readline() == b"right\n"
            await one.close()

    asyncio.run(asyncio.wait_for(main(), DEADLINE), debug=True)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no eager tasks")
def test_eager_tasks(run: Run, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.id == "uvloop" and sys.version_info >= (3, 13):
        pytest.skip("uvloop 0.23 itself cannot work with eager tasks from Python 3.13 on")

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        made = server()
        left = asyncio.Event()

        @made.on_message
        async def answer(message: Message) -> None:
            message.peer.send(message.payload)

        @made.on_disconnect
        async def leave(peer: Peer, reason: CloseReason) -> None:
            left.set()

        await made.start()
        one = await Client.connect(made)
        for number in range(10):
            one.writer.write(b"%d\n" % number)
            assert await one.reader.readline() == b"%d\n" % number
        await one.close()
        await made.stop()
        assert left.is_set()

    run(main())


class Eager:
    """A task factory of the kind that runs a coroutine before it gives back the task."""

    def __call__(self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Future[Any]:
        try:
            waiting = work.send(None)
        except StopIteration as end:
            done: asyncio.Future[Any] = loop.create_future()
            done.set_result(end.value)
            return done
        return asyncio.Task(self._rest(waiting, work), loop=loop, **more)

    async def _rest(self, waiting: Any, work: Any) -> Any:
        while True:
            try:
                if waiting is not None:
                    waiting._asyncio_future_blocking = False
                    await asyncio.wait([waiting])
                else:
                    await asyncio.sleep(0)
                waiting = work.send(None)
            except StopIteration as end:
                return end.value


def test_a_task_factory_that_begins_at_once(run: Run) -> None:
    async def main() -> None:
        made = server()

        @made.on_message
        async def answer(message: Message) -> None:
            message.peer.send(message.payload)

        await made.start()
        one = await Client.connect(made)
        asyncio.get_running_loop().set_task_factory(Eager())  # type: ignore[arg-type]
        for number in range(10):
            one.writer.write(b"%d\n" % number)
            assert await one.reader.readline() == b"%d\n" % number
        asyncio.get_running_loop().set_task_factory(None)
        await one.close()
        await made.stop()

    run(main())


@pytest.mark.parametrize("aborted", [False, True])
def test_a_stop_that_was_given_up_goes_on(run: Run, aborted: bool) -> None:
    async def main() -> None:
        made = server(drain_timeout=60.0)
        await made.start()
        one = await Client.connect(made)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(made.stop(), 0.01)
        stopping = asyncio.ensure_future(made.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert len(made.peers) == 1
        waiting = [asyncio.ensure_future(made.stop()) for _ in range(3)]
        if aborted:
            made.abort()
        await one.close()
        await asyncio.gather(*waiting)
        await made.stop()
        await made.stopped()
        assert not made.peers
        assert made.peers.reasons == {"shutdown": 1}

    run(main())


def test_a_stop_whose_every_task_was_cancelled_goes_on(run: Run) -> None:
    async def main() -> None:
        made = server(drain_timeout=60.0)
        await made.start()
        one = await Client.connect(made)
        before = asyncio.all_tasks()
        for _ in range(2):  # as asyncio.run does at its end
            stopping = asyncio.ensure_future(made.stop())
            await asyncio.sleep(0.01)
            tasks = asyncio.all_tasks() - before
            assert stopping in tasks
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await one.close()
        await made.stop()
        assert not made.peers

    run(main())


@pytest.mark.parametrize("indirectly", [False, True])
@pytest.mark.parametrize("event", ["connect", "message", "messages", "disconnect"])
def test_a_handler_may_wait_for_the_stop(run: Run, event: str, indirectly: bool) -> None:
    async def main() -> None:
        made, both = server(drain_timeout=60.0, half_close_timeout=0.0), asyncio.Event()
        after: list[int] = []

        async def stop(*_: object) -> None:
            await both.wait()
            if indirectly:
                await asyncio.wait_for(made.stop(), DEADLINE)
            else:
                await made.stop()
            after.append(len(made.peers))

        getattr(made, f"on_{event}")(stop)
        serving = asyncio.ensure_future(made.serve())
        while not made.addresses:
            await asyncio.sleep(0)
        one, other = await Client.connect(made), await Client.connect(made)
        both.set()
        for client in (one, other):  # two of them wait for it
            client.writer.write(b"stop\n")
        if event == "disconnect":
            for client in (one, other):
                client.writer.transport.abort()
        else:
            await one.reader.read()
            await other.reader.read()
        await one.close()
        await other.close()
        await serving
        assert after
        assert not any(after)

    run(main())


def test_a_handler_that_waits_for_a_stop_under_way(run: Run) -> None:
    async def main() -> None:
        made, go, order = server(drain_timeout=60.0), asyncio.Event(), []

        @made.on_message
        async def stop(message: Message) -> None:
            order.append("begun")
            await go.wait()
            await made.stop()
            order.append("handler")

        await made.start()
        one = await Client.connect(made)
        one.writer.write(b"x\n")
        while not order:
            await asyncio.sleep(0)
        stopping = asyncio.ensure_future(made.stop())
        await asyncio.sleep(0.01)
        go.set()
        assert await one.reader.read() == b""
        await one.close()
        await stopping
        assert order == ["begun", "handler"]

    run(main())


def test_a_server_whose_start_failed_starts_again(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        folder = tmp_path / "later"
        made = Server(Config(listen=("lines://127.0.0.1:0", f"lines+unix://{folder}/feed.sock"), drain_timeout=0.0))
        with pytest.raises(ListenError):
            await made.start()
        assert made.addresses == []
        await made.stop()  # nothing to do
        with pytest.raises(RuntimeError, match="has not started"):
            made.everyone.broadcast(b"too early")
        made.on_connect(lambda peer: peer.send(b"welcome"))
        folder.mkdir()
        async with made:
            assert len(made.addresses) == 2
            one = await Client.connect(made)
            assert await one.reader.readline() == b"welcome\n"
            await one.close()
        with pytest.raises(RuntimeError, match="a server starts once"):
            await made.start()

    run(main())


def test_peers_may_come_and_go_while_they_are_looked_through(run: Run) -> None:
    async def main() -> None:
        async with server(half_close_timeout=0.0) as made:
            clients = [await Client.connect(made) for _ in range(3)]
            seen = []
            for peer in made.peers:
                seen.append(peer.id)
                clients.append(await Client.connect(made))
                peer.abort()
                while peer.id in made.peers:
                    await asyncio.sleep(0)
            assert seen == [1, 2, 3]
            for client in clients:
                await client.close()

    run(main())
