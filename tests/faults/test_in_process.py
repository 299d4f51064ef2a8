"""Each fault against a server in this process: the others get everything, in order, and the books balance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from operator import attrgetter
from typing import Any

import pytest
import uvloop
from faults.books import check_totals, check_witnesses
from faults.catalogue import FAULTS
from faults.fault import Fault, Target
from faults.wire import STREAMS
from faults.witnesses import LIGHT, Witnesses
from support.deadline import DEADLINE

from fastserver import CloseReason, Config, Peer, Server
from fastserver.config.slowconsumers import POLICIES
from fastserver.figures import Figures

CASES = [(fault, mode) for fault in FAULTS.values() if not fault.needs for mode in fault.modes]
STUCK = [fault for fault, _ in CASES if "slow_consumer" in fault.ends]
NAME = attrgetter("name")
CLOSING = ("disconnect", "block")
"""Policies under which a peer that is stuck for long enough is closed."""
MEMBERS = 3000
"""Peers of a crowd: a fifth of those that the command gets, for here the witnesses share its processor."""
Runner = Callable[[Coroutine[Any, Any, None]], None]


def serve(**settings: Any) -> tuple[Server, list[Figures]]:
    """A server that has not started, and the figures of those who have left it."""
    server = Server(Config(**{"port": 0, "block_timeout": 0.05, "log_messages": 0} | settings))
    ended: list[Figures] = []

    @server.on_disconnect
    def end(peer: Peer, reason: CloseReason) -> None:
        ended.append(peer.figures())

    return server, ended


def address_of(server: Server) -> tuple[str, int]:
    host, _, port = server.addresses[0].rpartition(":")
    return host, int(port)


async def go_through(fault: Fault, mode: str, policy: str) -> None:
    """The whole of it: witnesses exchange messages before, in and after the fault."""
    server, ended = serve(**fault.settings(mode=mode, slow_consumer=policy))
    await server.start()
    witnesses = Witnesses(mode, LIGHT if fault.many else None)
    target = Target(address_of(server), witnesses.next, mode, MEMBERS)

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
        await end(server, witnesses)
    finally:
        await witnesses.close()
        await server.stop()
    check(server, witnesses, ended)
    reasons = {str(figures.reason) for figures in ended} - {"shutdown"}
    assert reasons <= {*fault.ends, "eof", "reset"}
    assert policy in CLOSING or "slow_consumer" not in reasons
    if fault.ends[:1] == ("frame_error",):  # each had sent a message before that
        assert witnesses.all[0].others >= server.peers.reasons["frame_error"]


async def end(server: Server, witnesses: Witnesses) -> None:
    """Stop the server when all has been heard."""
    await witnesses.finish()
    stopping = asyncio.ensure_future(server.stop())
    await witnesses.ended()
    await stopping


def check(server: Server, witnesses: Witnesses, ended: list[Figures]) -> None:
    """All witnesses got all, and all books balance."""
    witnesses.check_order(whole=True)
    peers = [vars(figures) for figures in ended]
    totals = vars(server.peers.totals())
    check_totals(totals, peers)
    check_witnesses(witnesses, peers, totals["messages_in"])
    assert not server.tick.behind


def run(main: Coroutine[Any, Any, None], runner: Runner) -> None:
    async def within_deadline() -> None:
        await asyncio.wait_for(main, DEADLINE)

    runner(within_deadline())


@pytest.mark.parametrize(("fault", "mode"), CASES, ids=[f"{fault.name}-{mode}" for fault, mode in CASES])
def test_fault(fault: Fault, mode: str) -> None:
    run(go_through(fault, mode, "disconnect"), uvloop.run)


@pytest.mark.parametrize("fault", [fault for fault, mode in CASES if mode == "lines" and not fault.many], ids=NAME)
def test_fault_on_the_standard_loop(fault: Fault) -> None:
    run(go_through(fault, "lines", "disconnect"), asyncio.run)


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "disconnect"])
@pytest.mark.parametrize("fault", STUCK, ids=NAME)
def test_policy(fault: Fault, policy: str) -> None:
    """Nothing is dropped for those who are not stuck."""
    run(go_through(fault, "lines", policy), uvloop.run)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", STREAMS)
def test_witness_that_is_late(mode: str, policy: str) -> None:
    """A peer that stops reading, falls behind within its limit and then reads on gets everything too."""
    run(be_late(mode, policy), uvloop.run)


async def be_late(mode: str, policy: str) -> None:
    server, ended = serve(mode=mode, slow_consumer=policy)
    await server.start()
    witnesses = Witnesses(mode)
    listener, sender = witnesses.all[0], witnesses.all[-1]
    try:
        await witnesses.start(address_of(server))
        for late in (listener, sender):
            late.stop_reading()
            await witnesses.go_on(10, lambda: server.peers.totals().pending_messages > 1000)
            late.read_on()
            await witnesses.go_on(10)
        await end(server, witnesses)
    finally:
        await witnesses.close()
        await server.stop()
    check(server, witnesses, ended)
