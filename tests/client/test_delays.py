"""The delays between tries to connect again."""

from __future__ import annotations

import pytest

from fastserver.client.delays import FIRST_DELAY, LONGEST_DELAY, Delays
from fastserver.errors import ConfigError


def test_they_double_up_to_the_longest_and_spread() -> None:
    delays = Delays(1.0, 5.0)
    for whole in (1.0, 2.0, 4.0, 5.0, 5.0):
        assert whole / 2 <= delays.next() <= whole


def test_only_a_connection_that_lasted_begins_again() -> None:
    delays = Delays(1.0, 5.0)
    for _ in range(3):
        delays.next()
    delays.stood(5.0)
    assert delays.next() >= 2.5
    delays.stood(5.1)
    assert delays.next() <= 1.0


def test_defaults_give_way_to_what_is_asked_for() -> None:
    assert Delays(None, None).next() <= FIRST_DELAY
    assert Delays(None, 0.01).next() <= 0.01
    assert Delays(2 * LONGEST_DELAY, None).next() >= LONGEST_DELAY


@pytest.mark.parametrize(("first", "longest"), [(2.0, 1.0), (float("inf"), None), (1.0, float("inf"))])
def test_delays_that_are_not_allowed(first: float, longest: float | None) -> None:
    with pytest.raises(ConfigError, match=r"first_delay .* is not allowed with longest_delay"):
        Delays(first, longest)
