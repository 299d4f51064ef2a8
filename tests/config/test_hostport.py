"""Hosts with ports, as text and as socket addresses."""

from __future__ import annotations

import socket

import pytest

from fastserver.config.hostport import parse_host_port, show_address, show_host_port


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("127.0.0.1", 3000), "127.0.0.1:3000"),
        (("::1", 3000, 0, 0), "[::1]:3000"),
        (("::ffff:10.0.0.1", 80, 0, 0), "10.0.0.1:80"),
        (("::ffff:1", 80, 0, 0), "[::ffff:1]:80"),
        (("localhost", 80), "localhost:80"),
        (("fe80::1%eth0", 80, 0, 7), "[fe80::1%eth0]:80"),
        (("fe80::1", 80, 0, 1_000_000), "[fe80::1%1000000]:80"),
        (("fe80::1", 80, 0, socket.if_nameindex()[0][0]), f"[fe80::1%{socket.if_nameindex()[0][1]}]:80"),
    ],
)
def test_addresses_are_shown(address: object, text: str) -> None:
    assert show_address(address) == text


@pytest.mark.parametrize(("text", "found"), [("localhost:0", ("localhost", 0)), ("[::1]:65535", ("::1", 65535))])
def test_text_that_names_both_is_read_and_shown(text: str, found: tuple[str, int]) -> None:
    assert parse_host_port(text) == found
    assert show_host_port(*found) == text


@pytest.mark.parametrize(
    "text", ["", "localhost", ":80", "::1:80", "[]:80", "a b:80", "host:65536", "host:-1", "host:٣"]
)
def test_other_text_names_none(text: str) -> None:
    assert parse_host_port(text) is None
