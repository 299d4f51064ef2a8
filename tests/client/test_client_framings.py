"""Every framing through a client, a server of ours and a client, both ways, on real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import Run
from support.framed_server import framed_server, values
from support.samples import SAMPLES

from fastserver.client.blocking import BlockingClient
from fastserver.client.client import connect
from fastserver.framing.registry import framing

NUMBER = 50


@pytest.mark.parametrize("mode", SAMPLES)
def test_clients_talk_to_each_other(run: Run, mode: str) -> None:
    async def main() -> None:
        sent = values(mode, NUMBER)
        async with (
            framed_server(mode, echo=True) as address,
            connect(address, mode=mode) as one,
            connect(address, mode=mode) as other,
        ):
            assert one.mode == framing(mode).name
            for sender, receiver in ((one, other), (other, one)):
                await sender.send(sent[0])
                assert (await sender.receive()).value == sent[0]  # so everyone is there
                for value in sent[1:]:
                    await sender.send(value)
                assert [(await sender.receive()).value for _ in sent[1:]] == sent[1:]
                assert [(await receiver.receive()).value for _ in sent] == sent

    run(main())


@pytest.mark.parametrize("mode", SAMPLES)
def test_payloads_and_frames_are_those_that_were_sent(run: Run, mode: str) -> None:
    form = framing(mode)
    payloads = [form.pack(value) for value in values(mode, NUMBER)]
    frames = [form.frame(payload) for payload in payloads]

    async def main() -> None:
        async with framed_server(mode, echo=True) as address, connect(address, mode=mode) as client:
            for payload in payloads:
                await client.send_packed(payload)
            await client.send_frames(b"".join(frames))
            received = [await client.receive() for _ in range(2 * NUMBER)]
            assert [message.payload for message in received] == 2 * payloads
            assert [message.frame for message in received] == 2 * frames

    run(main())


@pytest.mark.parametrize("mode", SAMPLES)
def test_a_blocking_client(run: Run, mode: str) -> None:
    """A client sends, and another receives; then the other way round."""
    sent = values(mode, NUMBER)

    def talk(address: str) -> list[Any]:
        with BlockingClient(address, mode=mode) as client:
            for value in sent:
                client.send(value)
            return [client.receive(30).value for _ in sent]

    async def main() -> None:
        async with framed_server(mode) as address, connect(address, mode=mode) as client:
            talking = asyncio.ensure_future(asyncio.to_thread(talk, address))
            assert [(await client.receive()).value for _ in sent] == sent
            for value in sent:
                await client.send(value)
            assert await talking == sent

    run(main())
