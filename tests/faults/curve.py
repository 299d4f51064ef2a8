"""A curve, drawn in text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

ROWS: Final = 20
WIDTH: Final = 50


def draw(points: Sequence[tuple[float, int]]) -> list[str]:
    """The most in each of some equal stretches of time: minutes, MB, and a bar. Points are seconds and bytes."""
    end = points[-1][0]
    top = max(size for _, size in points)
    rows = []
    for row in range(ROWS):
        sizes = [size for at, size in points if row <= at / end * ROWS < row + 1 or (row + 1 == ROWS and at == end)]
        if sizes:
            most = max(sizes)
            rows.append(f"{end * (row + 1) / ROWS / 60:6.1f} min {most / 1e6:7.1f} MB {'#' * (most * WIDTH // top)}")
    return rows
