"""Listeners of one server that speak different framings have one conversation."""

from __future__ import annotations

from pathlib import Path

import msgpack
from conftest import Serve
from support.connection import Connection


def test_lines_and_both_msgpack_modes_hear_each_other(serve: Serve, tmp_path: Path) -> None:
    modes = ("lines", "msgpack", "msgpack-stream")
    paths = {mode: tmp_path / f"{mode}.sock" for mode in modes}
    server = serve(*[part for mode in modes for part in ("--listen", f"{mode}+unix://{paths[mode]}")])
    peers = {mode: Connection(str(paths[mode])) for mode in modes}
    server.errors.wait_for_count("connected", 3)

    def prefixed(value: object) -> bytes:
        packed: bytes = msgpack.packb(value)
        return len(packed).to_bytes(4, "big") + packed

    peers["lines"].send("grüß\n".encode())
    assert peers["msgpack"].read(11) == prefixed("grüß")
    assert peers["msgpack-stream"].read(7) == msgpack.packb("grüß")
    peers["msgpack"].send(prefixed({"a": [1, 2.5]}))
    assert peers["lines"].read_line() == b'{"a":[1,2.5]}\n'
    assert peers["msgpack-stream"].read(len(msgpack.packb({"a": [1, 2.5]}))) == msgpack.packb({"a": [1, 2.5]})
    peers["msgpack-stream"].send(msgpack.packb("two\nlines"))
    assert peers["lines"].read_line() == b"two\\nlines\n"
    assert peers["msgpack"].read(14) == prefixed("two\nlines")
    for peer in peers.values():
        peer.close()
