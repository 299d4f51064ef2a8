"""Errors that the loop is told of instead of those who publish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fastserver.clock import Clock
from fastserver.fanout.unraised import Unraised


def test_the_loop_is_told_once_in_a_turn() -> None:
    clock = Clock()
    called: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
    clock.call_soon = lambda call, *arguments: called.append((call, arguments))  # type: ignore[assignment,return-value]
    unraised = Unraised(clock)
    for name in ("first", "second"):
        unraised.note(ValueError(name))
    ((call, arguments),) = called
    with pytest.raises(ValueError, match="first"):
        call(*arguments)
    unraised.note(ValueError("third"))
    assert len(called) == 2


def test_where_nobody_can_be_told_the_next_error_is_tried() -> None:
    clock = Clock()  # without a loop
    unraised = Unraised(clock)
    unraised.note(ValueError("lost"))
    called: list[object] = []
    clock.call_soon = lambda *call: called.append(call)  # type: ignore[assignment,return-value]
    unraised.note(ValueError("told"))
    assert len(called) == 1
