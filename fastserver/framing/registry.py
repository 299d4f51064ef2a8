"""The framings by name and parameters. Their splitters, messages and translation are the compiled ones, or else the
Python files of this room.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from fastserver.compiled import COMPILED
from fastserver.framing import delimited, http
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.framing import Framing
from fastserver.framing.grammar import Grammar, Parameter, split_query
from fastserver.framing.lines import escape
from fastserver.framing.msgpackcodec import MSGPACK, MSGPACK_OF_JSON, MsgpackCodec
from fastserver.framing.octetcodec import OCTET
from fastserver.framing.syslogcodec import SYSLOG

if not TYPE_CHECKING and COMPILED:
    from fastserver.framing._splitters import (
        DelimitedSplitter,
        LengthSplitter,
        LinesSplitter,
        Message,
        Messages,
        MsgpackSplitter,
        MsgpackStreamSplitter,
        NetstringSplitter,
        OctetSplitter,
        SyslogSplitter,
        TelnetSplitter,
        VarintSplitter,
        translate,
    )
else:
    from fastserver.framing.delimited import DelimitedSplitter
    from fastserver.framing.length import LengthSplitter
    from fastserver.framing.lines import LinesSplitter
    from fastserver.framing.message import Message
    from fastserver.framing.messages import Messages
    from fastserver.framing.msgpack import MsgpackSplitter
    from fastserver.framing.msgpack_stream import MsgpackStreamSplitter
    from fastserver.framing.netstring import NetstringSplitter
    from fastserver.framing.octet import OctetSplitter
    from fastserver.framing.syslog import SyslogSplitter
    from fastserver.framing.telnet import TelnetSplitter
    from fastserver.framing.translation import translate
    from fastserver.framing.varint import VarintSplitter

__all__ = [
    "DEFAULT_MODE",
    "FRAMINGS",
    "GRAMMARS",
    "Message",
    "Messages",
    "Mode",
    "Name",
    "framing",
    "framing_of",
    "translate",
]

Name = Literal[
    "lines", "delimited", "msgpack", "msgpack-stream", "octet", "syslog", "length", "varint", "netstring", "telnet"
]
"""The names of the framings, for type checkers, which cannot read them out of `GRAMMARS`."""

Mode = Name | str
"""A framing by its word: a name, perhaps with parameters."""

DEFAULT_MODE: Final = "lines"


def _lines(word: str, eol: str) -> Framing:
    crlf = eol == "crlf"
    return Framing(word, partial(LinesSplitter, eol=eol) if crlf else LinesSplitter, BYTES, http.LINE, escape)


def _delimited(word: str, delimiter: bytes, start: bytes) -> Framing:
    splitter = partial(DelimitedSplitter, delimiter=delimiter, start=start)
    return Framing(word, splitter, BYTES, http.LINE, skips=bool(start))


def _msgpack(word: str, json: MsgpackCodec) -> Framing:
    return Framing(word, MsgpackSplitter, json, http.BYTES)  # a length over any limit, but that may be skipped


def _msgpack_stream(word: str, json: MsgpackCodec) -> Framing:
    return Framing(word, MsgpackStreamSplitter, json, http.BYTES)


def _octet(word: str) -> Framing:
    return Framing(word, OctetSplitter, OCTET)


def _syslog(word: str) -> Framing:
    return Framing(word, SyslogSplitter, SYSLOG, http.COUNTED, written=OctetSplitter)


def _length(word: str, bytes: int, order: str, includes: str) -> Framing:
    make = partial(LengthSplitter, width=bytes, order=order, includes=includes == "yes")
    return Framing(word, make, BYTES, http.BYTES)


def _varint(word: str) -> Framing:
    return Framing(word, VarintSplitter, BYTES, http.BYTES)


def _netstring(word: str) -> Framing:
    return Framing(word, NetstringSplitter, BYTES)


def _telnet(word: str) -> Framing:
    return Framing(word, TelnetSplitter, BYTES, http.LINE, escape, answers=True)


_JSON: Final = Parameter(
    "json",
    "text",
    "What becomes of JSON text from peers of other modes: a str, or the value that it stands for.",
    choices=("text", "parse"),
    parse={"text": MSGPACK, "parse": MSGPACK_OF_JSON}.__getitem__,
)


GRAMMARS: Final = {
    grammar.name: grammar
    for grammar in (
        Grammar(
            "lines",
            _lines,
            (Parameter("eol", "lf", "Line ends as they are sent; both are received.", choices=("lf", "crlf")),),
        ),
        Grammar("delimited", _delimited, delimited.PARAMETERS),
        Grammar("msgpack", _msgpack, (_JSON,)),
        Grammar("msgpack-stream", _msgpack_stream, (_JSON,)),
        Grammar("octet", _octet),
        Grammar("syslog", _syslog),
        Grammar(
            "length",
            _length,
            (
                Parameter("bytes", "4", "Bytes of a length.", choices=("1", "2", "3", "4"), parse=int),
                Parameter("order", "big", "The end of a length that comes first.", choices=("big", "little")),
                Parameter("includes", "no", "Whether a length counts its own bytes, too.", choices=("no", "yes")),
            ),
        ),
        Grammar("varint", _varint),
        Grammar("netstring", _netstring),
        Grammar("telnet", _telnet),
    )
}
"""Every grammar by its name. The settings, the load generator, the clients and the docs take the names from here."""

_MADE: dict[str, Framing] = {}


def framing(word: str) -> Framing:
    """The framing that `word` stands for: a name, perhaps with parameters, as in `lines?eol=crlf`.

    Words that mean the same have the same framing. Raises ValueError, which says in one line what is wrong.
    """
    name, question, query = word.partition("?")
    return framing_of(name, split_query(query) if question else {})


def framing_of(name: str, parameters: Mapping[str, str]) -> Framing:
    """The framing of that name with `parameters`, as they are written. Raises ValueError as `framing` does."""
    grammar = GRAMMARS.get(name)
    if grammar is None:
        raise ValueError(f"there is no mode {name!r}")
    word, values = grammar.read(parameters)
    made = _MADE.get(word)
    if made is None:
        made = _MADE[word] = grammar.make(word, **values)
    return made


FRAMINGS: Final[dict[str, Framing]] = {name: framing(name) for name in GRAMMARS}
"""The framing of each name without parameters."""
