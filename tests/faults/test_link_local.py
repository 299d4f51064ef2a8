"""Hosts of one link, by their link-local addresses."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import Serve, StartProgram
from faults.network import Network
from support.requirements import required_program

HERE = "fe80::1"
CLIENT = """
import socket, sys
family, kind, protocol, _, there = socket.getaddrinfo(sys.argv[2] + "%link0", int(sys.argv[3]))[0]
sock = socket.socket(family, socket.SOCK_STREAM)
sock.bind(socket.getaddrinfo(sys.argv[1] + "%link0", 0)[0][4])
sock.connect(there)
print("connected", flush=True)
print("ended", sock.recv(1), flush=True)
"""


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    for host, addresses in (network.near, [HERE]), (network.far, ["fe80::2", "fe80::3"]):
        for address in addresses:
            added = [required_program("ip", "iproute2"), "address", "add", f"{address}/64", "dev", "link0", "nodad"]
            if subprocess.run([*host, *added], check=False).returncode:
                network.remove()
                pytest.skip("no IPv6 here")
    yield network
    network.remove()


@pytest.mark.parametrize("where", ["--host", "%25", "%"])
def test_each_counts_alone_and_has_its_zone(
    serve: Serve, start_program: StartProgram, network: Network, where: str
) -> None:
    url = f"lines://[{HERE}{where}link0]:0"
    options = ("--host", f"{HERE}%link0", "--port", "0") if where == "--host" else ("--listen", url)
    server = serve(*options, "--max-peers-per-address", "1", "--allow", "fe80::/64", wrapper=network.near)
    port = server.errors.wait_for(rf"listening on \[{HERE}%link0\]:([0-9]+),")[1].decode()
    for peer, address in (1, "fe80::2"), (2, "fe80::3"):
        start_program(*network.far, sys.executable, "-c", CLIENT, address, HERE, port)
        server.errors.wait_for(rf" peer {peer} \[{address}%link0\]:[0-9]+ connected")
    refused = start_program(*network.far, sys.executable, "-c", CLIENT, "fe80::2", HERE, port)
    refused.output.wait_for("connected")
    found = server.errors.wait_for(r" refused (\S+): max_peers_per_address")
    assert re.fullmatch(r"\[fe80::2%link0\]:[0-9]+", found[1].decode())
