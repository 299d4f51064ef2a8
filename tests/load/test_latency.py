"""Percentiles of latencies."""

from __future__ import annotations

import pytest

from fastserver.load.latency import Latency, latency


def test_latency() -> None:
    """To three digits, whatever their number."""
    counts = dict.fromkeys(range(1, 100001), 1)
    found = latency(counts)
    assert found is not None
    for value, right in zip(
        (found.p50, found.p90, found.p99, found.p999, found.max), (0.05, 0.09, 0.099, 0.0999, 0.1), strict=True
    ):
        assert value == pytest.approx(right, rel=0.001)
    assert latency({}) is None
    assert latency({0: 5}) == Latency(1e-6, 1e-6, 1e-6, 1e-6, 0.0)
