"""Decides whether the modules that have compiled forms are used compiled: all of them, or none.

A compiled module lies beside its Python source and is found first. Compiled and interpreted ones cannot be mixed, since
compiled classes know the fields of each other. So where any is missing, or `FASTSERVER_PURE_PYTHON=1` is in the
environment, Python sources are used throughout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from typing import Final

MODULES: Final = (
    "fanout/member",
    "fanout/batch",
    "fanout/view",
    "fanout/limit",
    "fanout/stretch",
    "fanout/tick",
    "fanout/_sending",
    "framing/_crowded",
    "framing/_splitters",
    "peers/link",
    "peers/reading",
)
"""The modules that are compiled, as setup.py builds them: paths in the package without suffix."""

_PACKAGE: Final = os.path.dirname(__file__)


class _Sources:
    """Finds the package's modules as Python sources alone (an importlib.abc.MetaPathFinder)."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        if path is None or not name.startswith("fastserver."):
            return None
        for directory in path:
            spec = FileFinder(directory, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name)
            if spec is not None:
                return spec
        raise ModuleNotFoundError(f"no module named {name!r} that is not compiled", name=name)


def _built(module: str) -> bool:
    return any(os.path.exists(os.path.join(_PACKAGE, module + suffix)) for suffix in EXTENSION_SUFFIXES)


COMPILED: Final = os.environ.get("FASTSERVER_PURE_PYTHON") != "1" and all(map(_built, MODULES))

if not COMPILED:
    sys.meta_path.insert(0, _Sources())
