"""Figures, added up."""

from __future__ import annotations

from fastserver.figures import Counts, Figures


def test_counters_are_added_one_by_one() -> None:
    names = list(vars(Counts()))
    some = Counts(*range(len(names)))
    peer = Figures(
        **dict.fromkeys(names, 100),
        id=1,
        address="unix:/run/feed.sock",
        state="closed",
        reason="eof",
        slow=False,
        connected_at=1.5,
        last_message_at=None,
    )
    assert some + peer == Counts(*range(100, 100 + len(names)))
    assert (peer + some).messages_in == 100
