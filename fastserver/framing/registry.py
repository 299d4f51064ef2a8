"""The framings by name. Their splitters and messages are the compiled ones, or else the Python files of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from fastserver.compiled import COMPILED
from fastserver.framing import http
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.framing import Framing
from fastserver.framing.lines import escape
from fastserver.framing.msgpackcodec import MSGPACK

if not TYPE_CHECKING and COMPILED:
    from fastserver.framing._splitters import LinesSplitter, Message, Messages, MsgpackSplitter, MsgpackStreamSplitter
else:
    from fastserver.framing.lines import LinesSplitter
    from fastserver.framing.message import Message
    from fastserver.framing.messages import Messages
    from fastserver.framing.msgpack import MsgpackSplitter
    from fastserver.framing.msgpack_stream import MsgpackStreamSplitter

__all__ = ["DEFAULT_MODE", "FRAMINGS", "Message", "Messages", "Mode"]

Mode = Literal["lines", "msgpack", "msgpack-stream"]
"""The names of the framings, for type checkers, which cannot read them out of `FRAMINGS`."""

DEFAULT_MODE: Final = "lines"

FRAMINGS: Final[dict[str, Framing]] = {
    framing.name: framing
    for framing in (
        Framing("lines", LinesSplitter, BYTES, http.LINE, escape),
        Framing("msgpack", MsgpackSplitter, MSGPACK),  # of a request, the first four bytes are a length over any limit
        Framing("msgpack-stream", MsgpackStreamSplitter, MSGPACK, http.BYTES),
    )
}
"""Every framing by its name. The settings, the load generator, the clients and the docs take the names from here."""
