"""The token bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastserver.limits.rate import Bucket


def test_burst_then_debt() -> None:
    bucket = Bucket(10, burst=2.0)
    bucket.take(20, 100.0)
    assert bucket.debt(100.0) == 0
    bucket.take(5, 100.0)
    assert bucket.debt(100.0) == 0.5
    assert bucket.debt(100.5) == 0
    bucket.take(1, 100.5)
    assert bucket.debt(100.5) == pytest.approx(0.1)


def test_it_fills_up_to_the_burst_and_no_further() -> None:
    bucket = Bucket(10, burst=1.0)
    bucket.take(15, 1000.0)
    assert bucket.debt(1000.0) == 0.5


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 10)), min_size=1), st.floats(0.01, 10))
def test_who_pays_its_debts_keeps_to_the_rate(sent: list[tuple[int, float]], burst: float) -> None:
    """In any time, no more than rate and burst allow and one more taking."""
    rate, now, total = 100.0, 0.0, 0
    bucket = Bucket(rate, burst)
    for tokens, idle in sent:
        assert total <= rate * (now + burst) * (1 + 1e-9) + 1e-6
        total += tokens
        bucket.take(tokens, now)
        now += bucket.debt(now) + idle
