"""A result: how evenly receivers and publishers were served."""

from __future__ import annotations

from fastserver.load.result import Fairness


def test_fairness() -> None:
    assert Fairness.of([5, 5, 5]) == Fairness(1.0, 1.0, 1.0)
    assert Fairness.of([0, 0, 0, 4]) == Fairness(0.0, 4.0, 0.25)
    assert Fairness.of([0, 0]).jain == 1.0
