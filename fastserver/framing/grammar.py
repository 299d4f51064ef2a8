"""Grammars: what framings there can be, by name and parameters, as in `lines?eol=crlf`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastserver.framing.framing import Framing


@dataclass(frozen=True)
class Parameter:
    """A parameter of a grammar. Its values are `choices`, or what `parse` takes."""

    name: str
    default: str
    """Its value where none is given, as it is written."""
    help: str
    choices: tuple[str, ...] = ()
    form: str = ""
    """The allowed values in words, where there are no `choices`."""
    parse: Callable[[str], Any] = str
    """Gives the value that a text stands for. Raises ValueError if it stands for none."""
    show: Callable[[Any], str] = str
    """Writes a value: the same text for all that stand for it. Not asked where there are `choices`."""

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        return self.form or "one of " + ", ".join(self.choices)

    def read(self, text: str) -> tuple[str, Any]:
        """The value that `text` stands for: as it is written, and itself. Raises ValueError for what is not allowed."""
        try:
            if self.choices and text not in self.choices:
                raise ValueError
            value = self.parse(text)
        except ValueError:
            raise ValueError(f"{self.name} must be {self.allowed}, not {text!r}") from None
        return text if self.choices else self.show(value), value


@dataclass(frozen=True)
class Grammar:
    """The framings of one name, which differ in parameters. All parameters have defaults."""

    name: str
    make: Callable[..., Framing]
    """Makes a framing of its word, and of its parameters' values by name."""
    parameters: tuple[Parameter, ...] = ()

    def read(self, query: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
        """The word of a framing, the same whichever way it is written, and the values of its parameters.

        `query` has the parameters that are given, as they are written. Raises ValueError, which says what is wrong.
        """
        known = [parameter.name for parameter in self.parameters]
        for name in query:
            if name not in known:
                has = ", ".join(known) or "none"
                raise ValueError(f"{self.name} has no parameter {name!r}, but {has}")
        given: list[str] = []
        values: dict[str, Any] = {}
        for parameter in self.parameters:
            text, values[parameter.name] = parameter.read(query.get(parameter.name, parameter.default))
            if text != parameter.default:
                given.append(f"{parameter.name}={text}")
        return "?".join([self.name, "&".join(given)]) if given else self.name, values


def split_query(query: str) -> dict[str, str]:
    """The parameters in `name=value&name=value`, as they are written. Raises ValueError, which says what is wrong."""
    found: dict[str, str] = {}
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if not (name and equals):
            raise ValueError(f"{part!r} is no parameter with a value, as in name=value")
        if name in found:
            raise ValueError(f"the parameter {name!r} is given twice")
        found[name] = value
    return found
