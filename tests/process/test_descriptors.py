"""The first three descriptors of a process: none is missing, whatever it was started with."""

from __future__ import annotations

import pytest
from conftest import Serve
from support.command import prepared, standard_loop

LOOPS = pytest.mark.parametrize("loop", [(), standard_loop()], ids=["uvloop", "asyncio"])


NO_NULL_DEVICE = prepared("import os; os.devnull = '/no/such/device'")


@LOOPS
def test_no_null_device(serve: Serve, loop: tuple[str, ...]) -> None:
    """A bare container or chroot has none; a server with all of its standard streams needs none."""
    wrapper = prepared("import os; os.devnull = '/no/such/device'; " + ("sys.modules['uvloop'] = None" if loop else ""))
    server = serve(wrapper=wrapper)
    server.connect()
    server.stop()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
def test_no_null_device_nor_standard_streams(serve: Serve, closed: str) -> None:
    """Nor does one without; no peer's connection takes the place of a stream."""
    server = serve(wrapper=("sh", "-c", f'exec "$0" "$@" {closed}', *NO_NULL_DEVICE))
    one, other = server.connect(), server.connect()
    one.send(b"hello\n")
    assert other.read_line() == b"hello\n"
    server.stop()
