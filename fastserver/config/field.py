"""Fields of the dataclasses that settings are, each of which knows its `Setting`."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

T = TypeVar("T")


class Written(Generic[T]):
    """For type checkers: a setting for which text stands too, as in the environment: `64KiB`, `5s`, `off`."""

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: Any = None) -> T: ...

        def __set__(self, instance: object, value: T | str) -> None: ...


def setting(
    group: str, default: Any, help: str, *, kind: type | None = None, stands_for: Any = None, **more: Any
) -> Any:
    """A field of `group`, a section of the help. `stands_for` is the value that a default of None comes to; `more` are
    further fields of its `Setting`.
    """
    known = {"group": group, "help": help, "type": kind or type(default)}
    return field(default=default, metadata=known | {"default": default if stands_for is None else stands_for} | more)
