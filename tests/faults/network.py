"""Two hosts on a network of their own, which nothing else can reach: network namespaces joined by a link."""

from __future__ import annotations

import os
import subprocess
from typing import Final

import pytest
from support.requirements import required_program

HERE: Final = "192.0.2.1"
"""The address of the near host (from the block for documentation)."""
THERE: Final = "192.0.2.2"


class Network:
    """The two hosts: a program runs on one of them if its command is behind `near` or `far`.

    Skips the test where they cannot be had.
    """

    def __init__(self) -> None:
        self._ip = required_program("ip", "iproute2")
        if os.geteuid():
            pytest.skip("network namespaces need root")
        self._hosts = [f"fastserver-{name}-{os.getpid()}" for name in ("near", "far")]
        self.host = self._hosts[1]
        """The far host's name."""
        self.near, self.far = [(self._ip, "netns", "exec", host) for host in self._hosts]
        try:
            self._set_up(*self._hosts)
        except subprocess.CalledProcessError as error:
            self.remove()
            pytest.skip(f"no network namespaces here: {error.stderr.decode(errors='replace').strip()}")

    def cut(self) -> None:
        """The far host vanishes without a word."""
        link(self.host, "down")

    def remove(self) -> None:
        """Remove both hosts, as far as they are there."""
        for host in self._hosts:
            subprocess.run([self._ip, "netns", "delete", host], stderr=subprocess.DEVNULL, check=False)

    def _set_up(self, near: str, far: str) -> None:
        for host in (near, far):
            self._run("netns", "add", host)
        self._run("-n", near, "link", "add", "link0", "type", "veth", "peer", "name", "link0", "netns", far)
        for host, address in ((near, HERE), (far, THERE)):
            self._run("-n", host, "address", "add", f"{address}/24", "dev", "link0")
            self._run("-n", host, "link", "set", "link0", "up")

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], check=True, capture_output=True)


def link(host: str, state: str) -> None:
    """Have that host's link go `up` or `down`."""
    subprocess.run([required_program("ip", "iproute2"), "-n", host, "link", "set", "link0", state], check=True)
