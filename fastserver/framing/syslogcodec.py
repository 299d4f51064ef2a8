"""Payloads of syslog messages: bytes that begin with a priority (RFC 5424, section 6.2.1)."""

from __future__ import annotations

import re
from typing import Final

from fastserver.framing.bytescodec import FILL, BytesCodec

PRIORITY: Final = re.compile(rb"<[0-9]{1,3}>")
USER_NOTICE: Final = b"<13>"
"""The priority of text without one: as RFC 3164 (section 4.3.3) has it, and as logger sends it."""
KERNEL_DEBUG: Final = b"<7>"
"""The shortest priority that alarms nobody."""


class SyslogCodec(BytesCodec):
    """The codec of syslog. Payloads without a priority are taken and given as they are."""

    def parse(self, text: str) -> bytes:
        """The bytes that `text` was read from, behind a priority, if they do not begin with one."""
        payload = super().parse(text)
        return payload if PRIORITY.match(payload) else USER_NOTICE + payload

    def sized(self, size: int, stamp: bytes = b"") -> bytes:
        """A priority, as many bytes `FILL` as are missing, and `stamp`. ValueError if these are too many."""
        missing = size - len(KERNEL_DEBUG) - len(stamp)
        if missing < 0:
            raise ValueError(f"no syslog message of {size} bytes has a priority and {stamp!r}")
        return KERNEL_DEBUG + FILL * missing + stamp


SYSLOG: Final = SyslogCodec()
