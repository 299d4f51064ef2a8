"""The splitter of peers that are not heard."""

from __future__ import annotations

import pytest

from fastserver.framing import Splitter
from fastserver.framing.discard import DISCARD


def test_nothing_comes_of_anything() -> None:
    splitter: Splitter = DISCARD
    assert splitter.feed(b"one\ntwo\nthr") == splitter.finish() == b""
    assert (splitter.count, splitter.held) == (0, 0)
    with pytest.raises(ValueError, match="thrown away"):
        splitter.messages(b"one\n", None)
    with pytest.raises(ValueError, match="thrown away"):
        splitter.frame(b"one")
