"""netcat (of OpenBSD) and ncat (of Nmap)."""

from __future__ import annotations

from conftest import StartProgram
from support.requirements import required_program
from support.server_process import ServerProcess


def netcat() -> str:
    return required_program("nc.openbsd", "netcat-openbsd")


def ncat() -> str:
    return required_program("ncat", "ncat")


def test_what_one_types_the_other_sees(server: ServerProcess, start_program: StartProgram) -> None:
    """Each sees what the other typed, byte for byte, and nothing of its own."""
    one = start_program(netcat(), "127.0.0.1", str(server.port))
    server.wait_for_peers(1)
    other = start_program(netcat(), "127.0.0.1", str(server.port))
    server.wait_for_peers(2)
    one.type(b"hello\n")
    other.output.wait_for_bytes(b"hello\n")
    other.type(b"\ttab, gr\xc3\xbc\xc3\x9fe, \xff\x00\r\n\n")
    one.output.wait_for_bytes(b"\ttab, gr\xc3\xbc\xc3\x9fe, \xff\x00\r\n\n")
    one.type(b"bye\n")
    other.output.wait_for_bytes(b"hello\nbye\n")
    server.errors.wait_for(r"Received message from 1 127\.0\.0\.1:\d+: hello$")
    server.errors.wait_for(r"Received message from 1 127\.0\.0\.1:\d+: bye$")
    server.errors.wait_for(r"Received message from 2 127\.0\.0\.1:\d+: .*grüße")


def test_a_line_without_its_end(server: ServerProcess, start_program: StartProgram) -> None:
    """`printf hi | nc -N` delivers a line, and the half-closed netcat goes on receiving."""
    reader = start_program(netcat(), "127.0.0.1", str(server.port))
    server.wait_for_peers(1)
    writer = start_program(netcat(), "-N", "127.0.0.1", str(server.port))
    server.wait_for_peers(2)
    writer.type(b"hi")
    writer.end_input()
    reader.output.wait_for_bytes(b"hi\n")
    reader.type(b"still there?\n")
    writer.output.wait_for_bytes(b"still there?\n")
    assert writer.process.poll() is None


def test_a_file_through_netcat(server: ServerProcess, start_program: StartProgram) -> None:
    """`nc -N < file` here is `nc > file` there."""
    lines = b"".join(b"line %d of a file that is long\n" % number for number in range(100_000))
    reader = start_program(netcat(), "-d", "127.0.0.1", str(server.port))
    server.wait_for_peers(1)
    writer = start_program(netcat(), "-N", "127.0.0.1", str(server.port))
    writer.type(lines)
    writer.end_input()
    reader.output.wait_for_bytes(lines)


def test_netcat_on_a_unix_socket(unix_server: ServerProcess, start_program: StartProgram) -> None:
    """`nc -U` is a peer like any other."""
    path = str(unix_server.address)
    one = start_program(netcat(), "-U", path)
    unix_server.wait_for_peers(1)
    other = start_program(netcat(), "-U", path)
    unix_server.wait_for_peers(2)
    one.type(b"hello\n")
    other.output.wait_for_bytes(b"hello\n")
    unix_server.errors.wait_for(r"Received message from 1 unix:\S+: hello$")


def test_ncat(server: ServerProcess, start_program: StartProgram) -> None:
    """ncat and netcat hear each other; `ncat -C` sends CRLF, which is passed on as it came."""
    one = start_program(ncat(), "-C", "127.0.0.1", str(server.port))
    server.wait_for_peers(1)
    other = start_program(netcat(), "127.0.0.1", str(server.port))
    server.wait_for_peers(2)
    one.type(b"hello\n")
    other.output.wait_for_bytes(b"hello\r\n")
    server.errors.wait_for(r"Received message from 1 127\.0\.0\.1:\d+: hello$")
    other.type(b"and back\n")
    one.output.wait_for_bytes(b"and back\n")


def test_ncat_one_way(server: ServerProcess, start_program: StartProgram) -> None:
    """`ncat --send-only` says what it has to say and ends; `ncat --recv-only` hears it."""
    reader = start_program(ncat(), "--recv-only", "127.0.0.1", str(server.port))
    server.wait_for_peers(1)
    writer = start_program(ncat(), "--send-only", "127.0.0.1", str(server.port))
    writer.type(b"one\ntwo\nthree")
    writer.end_input()
    assert writer.wait() == 0
    reader.output.wait_for_bytes(b"one\ntwo\nthree\n")


def test_ncat_on_a_unix_socket(unix_server: ServerProcess, start_program: StartProgram) -> None:
    """`ncat -U` is a peer like any other."""
    path = str(unix_server.address)
    one = start_program(ncat(), "-U", path)
    unix_server.wait_for_peers(1)
    other = start_program(ncat(), "-U", path)
    unix_server.wait_for_peers(2)
    other.type(b"hello\n")
    one.output.wait_for_bytes(b"hello\n")
