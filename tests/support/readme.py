"""The READMEs of the checkout: their blocks, links, headings and code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRST = ROOT / "README.md"

PAGES = sorted(
    page for pattern in ("README.md", "[a-z]*/README.md", "fastserver/*/README.md") for page in ROOT.glob(pattern)
)
"""All of them: the first page, and one in each folder that has a manual."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
_BETWEEN = re.compile(r"&&|\|\||[|&;<>]")


def blocks(page: Path, *kinds: str) -> list[str]:
    """The contents of the page's blocks of these kinds, such as `sh`."""
    return [text for kind, text in _BLOCK.findall(page.read_text("utf-8")) if kind in kinds]


def links(page: Path) -> list[str]:
    """Where the page's links and pictures point."""
    return _LINK.findall(_BLOCK.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors of the page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", _BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def spans(page: Path) -> list[str]:
    """The page's code within lines."""
    return [" ".join(text.split()) for text in _SPAN.findall(_BLOCK.sub("", page.read_text("utf-8")))]


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of the page, in blocks and within lines, as words; a pipe is several."""
    lines = [line for text in blocks(page, "sh") for line in text.splitlines()]
    typed = re.findall(r"^\$ (.*)$", "\n".join(blocks(page, "console")), re.MULTILINE)
    programs = ("fastserver ", "python ", "pytest ", "pip ", "FASTSERVER_")
    for line in lines + typed + [span for span in spans(page) if span.startswith(programs)]:
        words = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        words.whitespace_split = True
        command: list[str] = []
        for word in words:
            if _BETWEEN.fullmatch(word) is None and set(word) - {*"&|;<>"}:
                command.append(word)
            elif command:
                yield command
                command = []
        if command:
            yield command
