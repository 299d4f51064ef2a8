"""Stamps: messages carry their numbers."""

from __future__ import annotations

from fastserver.load.stamp import LENGTH, STAMPS, stamp, stamped


def test_stamps() -> None:
    for number in (0, 1, 35, 36, 123_456_789, STAMPS - 1):
        assert len(stamp(number)) == LENGTH
        assert stamped(b"anything" + stamp(number)) == number
    for wrong in (b"", b"00001", b"+00001", b" 00001", b"00_001", b"00000A", b"00001\xc3"):
        assert stamped(wrong) == -1
