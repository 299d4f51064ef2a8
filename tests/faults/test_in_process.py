"""Each fault against a server in this process: the others get everything, in order, and the books balance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from faults.books import check_totals, check_witnesses
from faults.catalogue import FAULTS
from faults.fault import Fault, Target
from faults.witnesses import LIGHT, Witnesses
from program import DEADLINE

from fastserver import CloseReason, Config, Peer, Server
from fastserver.figures import Figures
from fastserver.slowconsumer import POLICIES

CASES = [(fault, mode) for fault in FAULTS.values() if not fault.needs for mode in fault.modes]
STUCK = [fault for fault, _ in CASES if "slow_consumer" in fault.ends]
CLOSING = ("disconnect", "block")
"""Policies under which a peer that is stuck for long enough is closed."""
Runner = Callable[[Coroutine[Any, Any, None]], None]


async def go_through(fault: Fault, mode: str, policy: str) -> None:
    """The whole of it: witnesses exchange messages before, in and after the fault."""
    ended: list[Figures] = []
    settings = fault.settings(mode=mode, port=0, slow_consumer=policy, block_timeout=0.05, log_messages=0)
    server = Server(Config(**settings))

    @server.on_disconnect
    def end(peer: Peer, reason: CloseReason) -> None:
        ended.append(peer.figures())

    await server.start()
    host, _, port = server.addresses[0].rpartition(":")
    witnesses = Witnesses(mode, LIGHT if fault.many else None)
    target = Target((host, int(port)), witnesses.next, mode)

    def took_effect() -> bool:
        if policy not in CLOSING:
            return server.peers.totals().dropped_messages > 0
        return not fault.ends or any(server.peers.reasons[reason] for reason in fault.ends)

    try:
        await witnesses.start(target.address)
        await witnesses.go_on(1)
        async with fault.course(target):
            await witnesses.go_on(1 if fault.many else 300, took_effect)
        await witnesses.go_on(1 if fault.many else 50)
        await witnesses.finish()
        stopping = asyncio.ensure_future(server.stop())
        await witnesses.ended()
        await stopping
        witnesses.check_order(whole=True)
    finally:
        await witnesses.close()
        await server.stop()
    peers = [vars(figures) for figures in ended]
    totals = vars(server.peers.totals())
    check_totals(totals, peers)
    check_witnesses(witnesses, peers, totals["messages_in"])
    assert policy in CLOSING or not server.peers.reasons["slow_consumer"]
    reasons = {figures.reason for figures in ended} - {"shutdown"}
    assert reasons <= {*fault.ends, "eof", "reset"}
    assert not server.flush.behind


def run(main: Coroutine[Any, Any, None], runner: Runner) -> None:
    async def within_deadline() -> None:
        await asyncio.wait_for(main, DEADLINE)

    runner(within_deadline())


@pytest.mark.parametrize(("fault", "mode"), CASES, ids=[f"{fault.name}-{mode}" for fault, mode in CASES])
def test_fault(fault: Fault, mode: str) -> None:
    run(go_through(fault, mode, "disconnect"), uvloop.run)


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "disconnect"])
@pytest.mark.parametrize("fault", STUCK, ids=lambda fault: fault.name)
def test_policy(fault: Fault, policy: str) -> None:
    """Nothing is dropped for those who are not stuck."""
    run(go_through(fault, "lines", policy), uvloop.run)
