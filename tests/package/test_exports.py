"""`import fastserver` gives these names, documented, and nothing that only some users need."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import fastserver

PUBLIC = [
    "BlockingClient",
    "Channel",
    "Client",
    "CloseReason",
    "Config",
    "ConfigError",
    "FastserverError",
    "Figures",
    "FrameError",
    "ListenError",
    "Message",
    "Peer",
    "Server",
]

IMPORTED = """
import json, sys
before = set(sys.modules)
import fastserver
# Names that were found: Cython makes some of its own without looking for them.
found = {name for name in set(sys.modules) - before if getattr(sys.modules[name], "__spec__", None)}
clients = found & {"fastserver.client.client", "fastserver.client.blocking", "fastserver.client.connection"}
print(json.dumps(sorted(clients | {name.partition(".")[0] for name in found} - sys.stdlib_module_names)))
"""


def test_the_public_names() -> None:
    assert sorted(fastserver.__all__) == PUBLIC
    assert all(hasattr(fastserver, name) for name in PUBLIC)
    assert dir(fastserver) == PUBLIC
    with pytest.raises(AttributeError, match="'fastserver' has no attribute 'Servant'"):
        _ = fastserver.Servant  # type: ignore[attr-defined]
    named = {name for name, value in vars(fastserver).items() if not (name[0] == "_" or inspect.ismodule(value))}
    assert named | {"BlockingClient", "Client"} == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_is_documented(name: str) -> None:
    public = getattr(fastserver, name)
    assert public.__doc__
    assert not public.__doc__.startswith(f"{name}("), "the docstring that a dataclass makes itself"


def test_it_imports_nothing_that_only_some_users_need() -> None:
    """Not click, which is the command's, not uvloop, which the program may not want, not the clients in a server."""
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == ["fastserver", "msgpack"]
