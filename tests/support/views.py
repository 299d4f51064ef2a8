"""Views without a server: members, batches and what is taken of them."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any, cast

from fastserver.fanout.batch import Batch
from fastserver.fanout.member import Member
from fastserver.fanout.outbox import Outbox
from fastserver.fanout.segment import Segment
from fastserver.fanout.view import View
from fastserver.framing.registry import LinesSplitter


def join(channel: View) -> Member:
    peer = SimpleNamespace(link=SimpleNamespace(descriptor=-1), outbox=Outbox(lambda: LinesSplitter(1 << 20)))
    return channel.join(cast(Any, peer), cast(Any, object()))


def batch(channel: View, *pieces: tuple[Member | None, bytes, int]) -> Batch:
    channel.runs = [(1, 0)]
    channel.pieces = [*pieces]
    return channel.batch()


def publish(channel: View, frames: bytes, sender: Member | None = None) -> None:
    batch(channel, (sender, frames, frames.count(b"\n"))).close()


def everything(member: Member) -> tuple[bytes, int]:
    data, messages = b"", 0
    while (taken := member.peer.outbox.take()) is not None:
        data += b"".join(taken[0])
        messages += taken[1]
    return data, messages


def segments() -> list[Segment]:
    return [one for one in gc.get_objects() if isinstance(one, Segment)]
