"""Compiled modules are what their sources are, and are used unless sources are asked for."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import fastserver
from fastserver import compiled

KINDS = (
    "fanout.batch.Batch",
    "fanout.member.Member",
    "fanout.view.View",
    "fanout.limit.Limit",
    "fanout.stretch.Stretch",
    "fanout.tick.Tick",
    "peers.link.Link",
    "peers.reading.Reading",
)


def used(kind: str) -> Any:
    module, _, name = kind.rpartition(".")
    return getattr(import_module(f"fastserver.{module}"), name)


def source(kind: str) -> Any:
    """The class of that name as its Python source has it."""
    module, _, name = kind.rpartition(".")
    path = Path(fastserver.__file__).parent / f"{module.replace('.', '/')}.py"
    spec = spec_from_file_location(f"source_of_{module}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_compiled_one_has_every_field_of_its_source(kind: str) -> None:
    if not compiled.COMPILED:
        pytest.skip("not compiled, or not to be used")
    assert set(source(kind).__slots__) - {"__weakref__"} <= set(dir(used(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_compiled_one_is_used_unless_sources_are_asked_for(kind: str) -> None:
    asked = os.environ.get("FASTSERVER_PURE_PYTHON") == "1"
    assert compiled.COMPILED is not asked
    file = import_module(used(kind).__module__).__file__
    assert file is not None
    assert file.endswith(".py") is asked
