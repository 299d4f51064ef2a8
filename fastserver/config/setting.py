"""A setting: its definition, and how its value is written, parsed and checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fastserver.errors import ConfigError

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

_SIZE = re.compile(r"(\d+)\s*(b|k|kb|kib|m|mb|mib|g|gb|gib)?", re.IGNORECASE)
_SIZE_UNITS = {"b": 1, "k": KIB, "m": MIB, "g": GIB}


@dataclass(frozen=True)
class Setting:
    """The definition of one setting. `unit` is `bytes`, `seconds`, a plural noun, or the help's name for a text."""

    name: str
    type: type
    default: Any
    help: str
    group: str = ""
    """The section of the help and of the manual in which it stands."""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    form: str = ""
    """The allowed values in words, where bounds and choices do not say them."""
    entry: Callable[[str], object] | None = None
    """Checks text beyond its type, each of several entries; raises a `ValueError` that says what is wrong."""
    empty: bool = False
    """Text may be empty."""
    off: bool = False
    """`off` is allowed: the value is None then, and there is no limit."""
    command: bool = True
    """The setting is an option of the command too, not of the library only."""

    @property
    def option(self) -> str:
        """The name on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return "FASTSERVER_" + self.name.upper()

    @property
    def written(self) -> bool:
        """True if values that are not text can be written as text."""
        return self.type is bool or (self.type in (int, float) and (self.off or self.unit != ""))

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.form:
            return self.form
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.type is bool:
            return "true or false"
        if self.low is None or self.high is None:
            return "text" if self.empty else "text that is not empty"
        return f"{self.show(self.low)} to {self.show(self.high)}{', or off' if self.off else ''}"

    def show(self, value: Any) -> str:
        """`value` as a person writes it: `16 MiB`, `5 s`, `lines`."""
        if value in (None, (), "") or value is False:
            return "off" if value is False or self.off else "none"
        if value is True:
            return "on"
        if self.unit == "bytes":
            for size, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
                if value >= size and value % size == 0:
                    return f"{value // size} {name}"
            return f"{value} B"
        if self.unit == "seconds":
            return f"{value:.12g} s"
        return str(value)

    def parse(self, text: str) -> Any:
        """The value written as `text`, checked; several entries are separated by spaces. Raises `ConfigError`."""
        if self.type is tuple:
            return self.check(tuple(text.split()))
        stripped = text.strip()
        if self.off and stripped.lower() == "off":
            return None
        value: Any = stripped
        if self.type is bool:
            value = {"1": True, "true": True, "yes": True, "on": True, "": False}.get(stripped.lower(), stripped)
            value = {"0": False, "false": False, "no": False, "off": False}.get(stripped.lower(), value)
        elif self.unit == "bytes":
            match = _SIZE.fullmatch(stripped)
            if match:
                value = int(match[1]) * _SIZE_UNITS[(match[2] or "b")[0].lower()]
        elif self.type in (int, float):
            try:
                value = self.type(stripped.removesuffix("s") if self.unit == "seconds" else stripped)
            except ValueError:
                raise self.refused(text) from None
        return self.check(value, text)

    def check(self, value: Any, shown: object = None) -> Any:
        """`value`, if it is allowed. Raises `ConfigError`, which shows `shown` if that is given."""
        if self.off and value is None:
            return None
        if self.type is float and type(value) is int:
            value = float(value)
        if self.type is tuple and type(value) is list:
            value = tuple(value)
        right: bool = type(value) is self.type
        if not right:
            raise self.refused(value if shown is None else shown)
        if self.type is tuple:
            fits = all(self._check_entry(entry) for entry in value)
        elif self.entry is not None:
            fits = self._check_entry(value)
        elif self.choices:
            fits = value in self.choices
        elif self.low is not None and self.high is not None:
            fits = self.low <= value <= self.high  # false for nan too
        else:
            fits = self.type is bool or ((value != "" or self.empty) and "\0" not in value)
        if not fits:
            raise self.refused(value if shown is None else shown)
        return value

    def _check_entry(self, entry: Any) -> bool:
        if not isinstance(entry, str):
            return False
        if self.entry is not None:
            try:
                self.entry(entry)
            except ValueError as error:
                raise self.refused(entry, f": {error}") from None
        return True

    def refused(self, value: object, why: str = "") -> ConfigError:
        """The error for `value`; `why` begins with its separator."""
        return ConfigError(f"{self.option}: {value!r} is not allowed{why}; allowed is {self.allowed}")
