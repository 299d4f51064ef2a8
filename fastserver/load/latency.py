"""Latencies, gathered in an HDR histogram (the extra `fastserver[bench]`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastserver.errors import ConfigError

LONGEST: Final = 24 * 3600 * 1_000_000  # microseconds: longer than any run lasts
DIGITS: Final = 3  # significant digits of a value


@dataclass(frozen=True)
class Latency:
    """Percentiles of the latency of deliveries, seconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


def latency(counts: Mapping[int, int]) -> Latency | None:
    """The latency of so many deliveries, by microseconds; None if there were none. Raises `ConfigError`."""
    histogram = _histogram()(1, LONGEST, DIGITS)
    for microseconds, count in counts.items():
        histogram.record_value(max(1, min(microseconds, LONGEST)), count)
    if not counts:
        return None
    p50, p90, p99, p999 = (histogram.get_value_at_percentile(percent) / 1e6 for percent in (50, 90, 99, 99.9))
    return Latency(p50, p90, p99, p999, max(counts) / 1e6)


def _histogram() -> Any:
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError:
        raise ConfigError(
            "--check needs hdrhistogram, which is not installed: pip install 'fastserver[bench]'; or say --check off"
        ) from None
    return HdrHistogram
