import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastserver.log.escape import escape, shown


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain ASCII, \\ and 'quotes'", "plain ASCII, \\ and 'quotes'"),
        ("grün 漢字\u3000😀".encode(), "grün 漢字\u3000😀"),
        (b"\x1b[2J\x07", r"\x1b[2J\x07"),
        (b"a\tb\r\n\x7f", r"a\x09b\x0d\x0a\x7f"),
        ("\x85".encode(), r"\u0085"),  # a C1 control: terminals obey these, too
        (b"\x85", r"\x85"),  # the same number as a byte that is no UTF-8
        ("user\u202egnp.exe".encode(), r"user\u202egnp.exe"),
        ("\u200b\u2028\u2029".encode(), r"\u200b\u2028\u2029"),
        ("\U000e0041".encode(), r"\U000e0041"),
        (b"half \xe2\x82", r"half \xe2\x82"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),  # a surrogate, which UTF-8 must not hold
        (b"", ""),
    ],
)
def test_shows_what_is_printable_and_escapes_the_rest(data: bytes, text: str) -> None:
    assert escape(data) == text


@given(st.binary() | st.text().map(str.encode))
def test_nothing_that_could_act_on_a_terminal_remains(data: bytes) -> None:
    text = escape(data)
    assert {unicodedata.category(char) for char in text}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert all(map(shown, text))
