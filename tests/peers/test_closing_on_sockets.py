"""How connections end, over real sockets."""

from __future__ import annotations

from typing import Any

from conftest import Run
from support.accepted import Client, peer_of, until

from fastserver import CloseReason, Config, Server


def config(**settings: Any) -> Config:
    return Config(**{"port": 0, "drain_timeout": 0.0, "log_messages": 0, **settings})


def test_half_closed_peer_has_its_last_line_delivered_and_still_hears(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            one, two = await Client.connect(server), await Client.connect(server)
            await one.send(b"no line end")
            one.writer.write_eof()
            assert await two.receive(12) == b"no line end\n"
            assert peer_of(server, 0).state == "half-closed"
            await two.send(b"still here?\n")
            assert await one.receive(12) == b"still here?\n"

    run(main())


def test_half_closed_peer_goes_after_its_time(run: Run) -> None:
    async def main() -> None:
        async with Server(config(half_close_timeout=0.0)) as server:
            one = await Client.connect(server)
            one.writer.write_eof()
            assert await one.end() == b""
            await until(lambda: not server.peers)
            assert server.peers.closed[-1].reason == CloseReason.EOF

    run(main())


def test_frame_error_closes_that_peer_only(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_message=10)) as server:
            bad, good, other = [await Client.connect(server) for _ in range(3)]
            await good.send(b"before\n")
            assert await bad.receive(7) == b"before\n"
            await bad.send(b"fine\n" + b"x" * 100)
            assert await good.receive(5) == b"fine\n"  # what was whole before it is not lost
            assert await bad.end() == b""  # our half is closed, not reset
            await bad.close()
            await until(lambda: len(server.peers) == 2)
            assert server.peers.closed[-1].reason == CloseReason.FRAME_ERROR
            await good.send(b"after\n")
            assert await other.receive(18) == b"before\nfine\nafter\n"

    run(main())


def test_peer_closed_for_an_error_first_gets_what_is_pending(run: Run) -> None:
    async def main() -> None:
        async with Server(config(max_message=1 << 20)) as server:
            bad, good = await Client.connect(server), await Client.connect(server)
            bad.stop_reading()
            sent = b"".join(b"%06d%s\n" % (number, b"x" * 100_000) for number in range(80))
            await good.send(sent)
            await until(lambda: peer_of(server, 0).figures().offered_bytes == len(sent))
            assert peer_of(server, 0).pending_bytes
            await bad.send(b"x" * (1 << 20) + b"too long")
            bad.read_on()
            assert await bad.end() == sent
            await bad.close()
            await until(lambda: len(server.peers) == 1)
            figures = server.peers.closed[-1]
            assert (figures.reason, figures.dropped_messages) == (CloseReason.FRAME_ERROR, 0)
            assert figures.messages_out == 80

    run(main())


def test_reset_is_told_from_end(run: Run) -> None:
    async def main() -> None:
        async with Server(config()) as server:
            one = await Client.connect(server)
            one.reset()
            await until(lambda: not server.peers)
            assert server.peers.closed[-1].reason == CloseReason.RESET

    run(main())
