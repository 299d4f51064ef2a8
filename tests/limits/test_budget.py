"""The time that each peer may make others wait."""

from __future__ import annotations

from fastserver.limits.budget import WINDOW, Budget


def test_a_budget_is_for_any_minute_and_forgets_who_spends_nothing() -> None:
    budget = Budget(10.0)
    assert all(budget.spend("slow", 100 + number, 100.25 + number) for number in range(39))
    assert budget.left("slow", 140.0) == 0.25
    assert not budget.spend("slow", 140.75, 141.0)
    assert budget.left("slow", 100.5 + WINDOW) == 0  # it does not come back in pieces
    assert budget.left("slow", 141.0 + WINDOW) == 10
    assert budget.spend("several at once", 300.0, 305.0)
    assert budget.spend("several at once", 301.0, 306.0)
    assert budget.left("several at once", 306.0) == 4
    for number in range(10_000):
        budget.spend(number, 400.0 + number, 400.25 + number)
    assert len(budget) <= WINDOW + 1
