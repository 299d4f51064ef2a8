"""The test of a module is found from its name: of `fastserver/ROOM/MODULE.py`, it is `tests/ROOM/test_MODULE.py`.

Behind the name of the module may stand what of it is tested: `tests/ROOM/test_MODULE_TOPIC.py`.
"""

from __future__ import annotations

from pathlib import Path

import fastserver

TESTS = Path(__file__).parents[1]
PACKAGE = Path(fastserver.__file__).parent

OF_ALL = {
    "promises": "what holds for the server as a whole",
    "command": "the command as a process",
    "clients": "real programs",
    "faults": "what can go wrong with a peer",
    "examples": "the examples, each by its name, and all of them",
    "package": "what is imported, typed and documented; and the tests",
}
"""Folders of tests that belong to no room, and what is in them."""


def mirrored(test: Path) -> bool:
    """Whether it has the name of a module, in that module's place."""
    room = PACKAGE / test.relative_to(TESTS).parent
    name = test.stem.removeprefix("test_")
    return any(name == module.stem or name.startswith(f"{module.stem}_") for module in room.glob("[a-z]*.py"))


def test_each_has_the_name_of_what_it_tests() -> None:
    tests = [test for test in TESTS.rglob("test_*.py") if test.relative_to(TESTS).parts[0] not in OF_ALL]
    assert len(tests) > 50
    assert [str(test.relative_to(TESTS)) for test in tests if not mirrored(test)] == []


def test_each_room_has_tests() -> None:
    rooms = {room.parent.name for room in PACKAGE.glob("*/__init__.py")}
    assert {room for room in rooms if not any((TESTS / room).glob("test_*.py"))} == set()


def test_folders_of_all_are_there() -> None:
    assert [name for name in OF_ALL if not any((TESTS / name).glob("test_*.py"))] == []
