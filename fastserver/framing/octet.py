"""Octet counting (RFC 6587, section 3.4.1): the payload's bytes in digits, a space, the payload."""

from __future__ import annotations

from fastserver.framing import refusals
from fastserver.framing.counted import CountedSplitter
from fastserver.framing.form import Form
from fastserver.framing.octetcodec import OCTET

SPACE = b" "


def _bounds(frames: bytes, start: int, end: int) -> tuple[int, int]:
    return frames.index(SPACE, start) + 1, end


FORM = Form(_bounds, OCTET)


class OctetSplitter(CountedSplitter):
    """Cuts a byte stream into octet-counted messages of 1 to `max_message` bytes.

    Between them LF, CR, space and NUL are passed over: Cisco IOS sends an LF behind each, ASA a space.
    """

    __slots__ = ()

    _form = FORM
    _between = b"\n\r \0"
    _end = SPACE
    _digits = 10
    _least = 1  # a length begins with 1 to 9
    _no_end = refusals.NO_SPACE
    _hints = {ord("<"): refusals.SYSLOG}  # noqa: RUF012
