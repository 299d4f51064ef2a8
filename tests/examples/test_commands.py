"""A server of commands."""

from __future__ import annotations

from support.examples import Connect, Start, hears, says


def test_commands(example: Start, connect: Connect) -> None:
    client = connect(example("commands"))
    says(client, "PING", "SET a 1", "SET b two words", "GET b", "KEYS", "DEL a", "DEL a", "GET a", "KEYS", "WAIT b")
    hears(client, "OK", "OK", "OK", "OK two words", "KEY a", "KEY b", "OK 2", "OK")
    hears(client, "ERR no such key", "ERR no such key", "KEY b", "OK 1", "OK two words")
    says(client, f"SET {'k' * 65} v", "ping", "GET a b c")
    assert [client.read_line()[:4] for _ in range(3)] == [b"ERR "] * 3


def test_waiting_holds_up_nobody_else(example: Start, connect: Connect) -> None:
    """A client has its replies in the order of its requests; others are answered meanwhile."""
    port = example("commands")
    waiting, also_waiting, other = connect(port), connect(port), connect(port)
    says(waiting, "PING", "WAIT dinner", "PING")
    says(also_waiting, "PING", "WAIT dinner")
    hears(waiting, "OK")
    hears(also_waiting, "OK")
    says(other, "SET lunch gone", "SET dinner ready")
    hears(other, "OK", "OK")
    hears(waiting, "OK ready", "OK")
    hears(also_waiting, "OK ready")


def test_commands_takes_no_more_keys_than_its_limit(example: Start, connect: Connect) -> None:
    client = connect(example("commands"))
    says(client, *[f"SET {number} x" for number in range(1000)], "SET more x", "SET 7 y", "GET 7")
    hears(client, *["OK"] * 1000)
    assert client.read_line().startswith(b"ERR ")
    hears(client, "OK", "OK y")
