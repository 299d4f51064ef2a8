r"""Received text made safe to show.

Text from strangers can hold bytes that a terminal obeys: move the cursor, set the title, reverse the direction of a
line. After `escape` none of them acts.
"""

from __future__ import annotations

import unicodedata


def shown(char: str) -> bool:
    """True if a terminal shows `char`, one code point, and does nothing else: printable, or a space of any width. Not
    control or format characters, line and paragraph separators, surrogates or unassigned ones."""
    return char.isprintable() or unicodedata.category(char) == "Zs"


def escape(data: bytes) -> str:
    r"""`data` as one line of text to show on a terminal. Never raises.

    UTF-8 that `shown` holds harmless stays as it is. ASCII control characters and bytes that are no UTF-8
    become `\xNN`, other code points `\uNNNN` or `\UNNNNNNNN`. A backslash stays a backslash: this is for
    reading, not for reading back.
    """
    text = data.decode("utf-8", "surrogateescape")
    if text.isprintable():
        return text
    return "".join(char if shown(char) else _escaped(ord(char)) for char in text)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # how surrogateescape marks a byte that is no UTF-8
        code -= 0xDC00
    elif code > 0x7F:
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return f"\\x{code:02x}"
