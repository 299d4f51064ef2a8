"""The books of a server, from wherever they were read: by name, what `fastserver.figures.Counts` has."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from faults.witnesses import Witnesses

Counts = Mapping[str, Any]
COUNTERS = (
    "messages_in",
    "bytes_in",
    "offered_messages",
    "offered_bytes",
    "messages_out",
    "bytes_out",
    "pending_messages",
    "pending_bytes",
    "dropped_messages",
    "dropped_bytes",
)


def check_balance(counts: Counts, over: bool = False) -> None:
    """All that was offered is delivered, dropped or pending; nothing is pending once it is `over`."""
    assert all(counts[name] >= 0 for name in COUNTERS), counts
    for out, offered, pending, dropped in (
        ("messages_out", "offered_messages", "pending_messages", "dropped_messages"),
        ("bytes_out", "offered_bytes", "pending_bytes", "dropped_bytes"),
    ):
        assert counts[offered] == counts[out] + counts[dropped] + counts[pending], counts
        assert not (over and counts[pending]), counts


def check_totals(totals: Counts, peers: Iterable[Counts]) -> None:
    """The totals are those of `peers`, added up. All are gone; who was too far behind missed something."""
    check_balance(totals, over=True)
    added = dict.fromkeys(COUNTERS, 0)
    for counts in peers:
        check_balance(counts, over=True)
        assert counts["dropped_bytes"] > 0 or counts["reason"] != "slow_consumer", counts
        for name in COUNTERS:
            added[name] += counts[name]
    assert added == {name: totals[name] for name in COUNTERS}


def check_witnesses(witnesses: Witnesses, peers: Iterable[Counts], heard: int) -> None:
    """The books of each witness, from its figures at the end among those of `peers`, say what it saw itself: it was
    offered all of the `heard` messages that the server heard but its own, and got every one. The witnesses were the
    first to connect.
    """
    known = {counts["id"]: counts for counts in peers}
    for id, witness in enumerate(witnesses.all, 1):
        counts = known[id]
        check_balance(counts, over=True)
        assert counts["dropped_messages"] == counts["dropped_bytes"] == 0, counts
        assert counts["offered_messages"] == heard - counts["messages_in"], counts
        assert (counts["messages_out"], counts["bytes_out"]) == (witness.messages, witness.bytes), (counts, witness)
        for other in witnesses.all:
            if witness.number >= 0 and other is not witness:
                assert other.counts[witness.number] == counts["messages_in"], (counts, other)


def bookkeeper(books: Path, descriptors: int = 0) -> tuple[str, ...]:
    """A wrapper that has the command write its books to a file at its end; with so few descriptors, unless 0."""
    limit = ("sh", "-c", f'ulimit -n {descriptors} && exec "$0" "$@"') if descriptors else ()
    return (*limit, sys.executable, str(Path(__file__).with_name("bookkeeper.py")), str(books))


def check_books(books: Path, witnesses: Witnesses) -> list[Counts]:
    """The books that a server has written agree with the witnesses, and balance; gives the figures of each peer."""
    *peers, totals = [json.loads(line) for line in books.read_text().splitlines()]
    check_totals(totals, peers)
    check_witnesses(witnesses, peers, totals["messages_in"])
    return list(peers)
