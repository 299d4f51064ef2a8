"""The command as a process: how it starts, what it refuses, how it ends."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import Serve
from support.command import COMMAND, PURE, Ended, attempt, environment
from support.connection import Connection

from fastserver.config.config import MODES, SETTINGS

REFUSED = [
    ("--port", "65536", "0 to 65535"),
    ("--port", "-1", "0 to 65535"),
    ("--port", "http", "0 to 65535"),
    ("--listen", "http://127.0.0.1:80", "MODE://HOST:PORT or MODE+unix:///PATH"),
    ("--listen", "lines://127.0.0.1:0?role=x", "?role=send"),
    ("--allow", "10.0.0.0/33", "an address, a network such as 10.0.0.0/8, or @FILE"),
    ("--deny", "example.org", "an address, a network such as 10.0.0.0/8, or @FILE"),
    ("--deny", "@/no/such/file", "@FILE with one on each line"),
    ("--max-peers", "0", "1 to 10000000, or off"),
    ("--max-peers-per-address", "none", "1 to 10000000, or off"),
    ("--max-connects-per-second", "1.5", "1 to 10000000, or off"),
    ("--max-messages-per-second", "0", "1 to 1000000000, or off"),
    ("--max-bytes-per-second", "-1", "1 B to 64 GiB, or off"),
    ("--burst", "off", "0.001 s to 3600 s"),
    ("--message-timeout", "0", "0.001 s to"),
    ("--idle-timeout", "never", "s, or off"),
    ("--keepalive", "40000", "1 s to 32767 s, or off"),
    ("--mode", "json", "one of lines, msgpack, msgpack-stream"),
    ("--mode", "lines\nmsgpack", "one of lines, msgpack, msgpack-stream"),
    ("--max-message", "0", "1 B to 1 GiB"),
    ("--max-message", "5XB", "1 B to 1 GiB"),
    ("--max-message", "2GiB", "1 B to 1 GiB"),
    ("--max-pending", "1KiB", "64 KiB to 64 GiB"),
    ("--idle-after", "0", "0.001 s to"),
    ("--half-close-timeout", "inf", "0 s to"),
    ("--drain-timeout", "nan", "0 s to 3600 s"),
    ("--drain-timeout", "-1", "0 s to 3600 s"),
    ("--log-messages", "many", "0 to 1000000"),
    ("--log-level", "loud", "one of debug, info, warning, error"),
    ("--log-format", "xml", "one of text, json"),
]


@pytest.mark.parametrize("mode", MODES)
def test_start(serve: Serve, mode: str) -> None:
    """It says where it listens and for what, before anybody is connected."""
    server = serve("--port", "0", "--mode", mode)
    assert re.search(rf"INFO listening on 127\.0\.0\.1:{server.port}, mode {mode}$", server.log, re.MULTILINE)
    assert server.port > 0
    server.connect()


def test_settings_from_the_environment(serve: Serve) -> None:
    """A variable is as good as an option, and an option is stronger."""
    server = serve(FASTSERVER_PORT="0", FASTSERVER_MODE="msgpack", FASTSERVER_ECHO="1")
    assert f"listening on 127.0.0.1:{server.port}, mode msgpack\n" in server.log
    peer = server.connect()
    peer.send(b"\0\0\0\x01\xc3")
    assert peer.read(5) == b"\0\0\0\x01\xc3"
    assert "mode lines" in serve("--mode", "lines", FASTSERVER_MODE="msgpack").log


def test_listeners(serve: Serve, tmp_path: Path) -> None:
    """Each is said with its role; those in the environment serve as well."""
    server = serve("--listen", "msgpack://127.0.0.1:0?role=send", "--listen", f"msgpack+unix://{tmp_path}/feed.sock")
    server.connect()
    server.errors.wait_for(f" listening on unix:{tmp_path}/feed.sock, mode msgpack$")
    assert f"listening on 127.0.0.1:{server.port}, mode msgpack, role send\n" in server.log
    server.errors.wait_for(r" peer 1 127\.0\.0\.1:[0-9]+ connected, role send$")
    other = serve(FASTSERVER_LISTEN="lines://127.0.0.1:0 lines://127.0.0.1:0?role=receive")
    other.errors.wait_for(r" listening on 127\.0\.0\.1:[0-9]+, mode lines, role receive$")


@pytest.mark.parametrize(("option", "value", "allowed"), REFUSED)
def test_value_that_is_not_allowed(tmp_path: Path, option: str, value: str, allowed: str) -> None:
    """One line that names the option, the value and what is allowed; exit code 2."""
    check_refusal(attempt(f"{option}={value}", folder=tmp_path), option, value, allowed)


@pytest.mark.parametrize(("option", "value", "allowed"), REFUSED[2::4])
def test_variable_that_is_not_allowed(tmp_path: Path, option: str, value: str, allowed: str) -> None:
    """The same for a value from the environment, whose name is said too."""
    variable = "FASTSERVER_" + option.removeprefix("--").replace("-", "_").upper()
    ended = attempt(folder=tmp_path, **{variable: value})
    check_refusal(ended, option, value, allowed)
    assert f"{variable}, for {option}: " in ended.errors[0]


@pytest.mark.parametrize("link", ["tcp://10.0.0.1:3000", "udp://[fd00::1]:53", " tcp://10.0.0.1:3000"])
def test_variables_of_a_platform(serve: Serve, tmp_path: Path, link: str) -> None:
    """What Kubernetes and Docker set beside a service or container of our name stops nobody; one line says so."""
    path = f"{tmp_path}/feed.sock"
    platform = {
        "FASTSERVER_PORT": link,
        "FASTSERVER_SERVICE_HOST": "10.0.0.1",
        "FASTSERVER_SERVICE_PORT": "3000",
        "FASTSERVER_PORT_3000_TCP": "tcp://10.0.0.1:3000",
        "FASTSERVER_PORT_3000_TCP_PROTO": "tcp",
        "FASTSERVER_NAME": "/web/fastserver",
    }
    server = serve("--unix", path, **platform)
    server.connect()
    log = server.stop()
    (warning,) = warnings(log)
    assert f" WARNING FASTSERVER_PORT={link!r} is ignored: " in warning
    assert f"listening on unix:{path}, mode lines\n" in log
    assert "127.0.0.1" not in log
    assert not warnings(serve("--port", "0", **platform).stop())  # the option is stronger, so there is nothing to say


def warnings(log: str) -> list[str]:
    return [line for line in log.splitlines() if " WARNING " in line and PURE not in line]


def test_bench_among_the_variables_of_a_platform(tmp_path: Path) -> None:
    """The same for the other command that has a port."""
    path = f"{tmp_path}/none.sock"
    ended = attempt("bench", "--unix", path, "--check", "off", folder=tmp_path, FASTSERVER_PORT="tcp://10.0.0.1:3000")
    assert ended.code == 1
    assert len(ended.errors) == 2, ended.errors
    assert ended.errors[0].startswith("fastserver: FASTSERVER_PORT='tcp://10.0.0.1:3000' is ignored: ")
    assert path in ended.errors[1]


def test_all_listeners_are_shown(serve: Serve) -> None:
    """Where it listens is said of every listener, however few lines a second the log may have."""
    options = [part for _ in range(7) for part in ("--listen", "lines://127.0.0.1:0")]
    log = serve(*options, "--log-messages", "0").stop()
    assert len(re.findall(r" INFO listening on 127\.0\.0\.1:[0-9]+, mode lines$", log, re.MULTILINE)) == 7
    assert "more like this" not in log


@pytest.mark.parametrize("options", [("--quiet",), ("--log-level", "error")])
def test_port_that_the_system_chose(serve: Serve, tmp_path: Path, options: tuple[str, ...]) -> None:
    """It is shown whatever the level, since nothing else tells it; the rest of the log is as quiet as ever."""
    listen = ("--listen", "lines://127.0.0.1:0", "--listen", f"lines+unix://{tmp_path}/feed.sock")
    server = serve("--port", "0", *listen, *options)
    Connection(("127.0.0.1", server.port)).close()
    lines = [line for line in server.stop().splitlines() if PURE not in line]
    assert len(lines) == 2, lines
    assert all(re.search(r" INFO listening on 127\.0\.0\.1:[0-9]+, mode lines$", line) for line in lines)


def check_refusal(ended: Ended, option: str, value: str, allowed: str) -> None:
    assert ended.code == 2
    assert len(ended.errors) == 1, ended.errors
    assert ended.errors[0].startswith("fastserver: ")
    for part in (option, repr(value), allowed):
        assert part in ended.errors[0]
    assert ended.output == ""


def test_flag_that_is_neither_true_nor_false(tmp_path: Path) -> None:
    """A flag in the environment that says neither yes nor no is refused like any other value."""
    ended = attempt("--port=0", folder=tmp_path, FASTSERVER_ECHO="perhaps")
    assert ended.code == 2
    assert len(ended.errors) == 1, ended.errors
    assert "--echo" in ended.errors[0]
    assert "'perhaps'" in ended.errors[0]


def test_bad_line_in_a_file_of_networks(tmp_path: Path) -> None:
    """One line that names file, line and entry; exit code 2."""
    (tmp_path / "blocked.txt").write_text("10.0.0.0/8\n\n10.0.0.1/8  # which of both?\n")
    ended = attempt("--port=0", "--deny=@blocked.txt", folder=tmp_path)
    assert ended.code == 2
    assert ended.errors == [
        "fastserver: --deny: '@blocked.txt' is not allowed: blocked.txt, line 3: '10.0.0.1/8' has host bits set; "
        "allowed is an address, a network such as 10.0.0.0/8, or @FILE with one on each line"
    ]


def test_refused_connections(serve: Serve) -> None:
    """They are closed at once; the log says why, and counts what is more than it has room for."""
    server = serve("--deny", "10.0.0.0/8", "--deny", "127.0.0.1", "--log-messages", "1")
    for _ in range(3):
        connection = Connection(("127.0.0.1", server.port))
        server.connections.append(connection)
        assert connection.read_to_end() == b""
    log = server.stop()
    shown = re.findall(r" WARNING refused 127\.0\.0\.1:[0-9]+: denied$", log, re.MULTILINE)
    more = re.findall(r" WARNING ([0-9]+) more like this: refused …: …$", log, re.MULTILINE)
    assert shown
    assert len(shown) + sum(map(int, more)) == 3


def test_timeouts(serve: Serve) -> None:
    """Who never finishes a message is closed, and so is who says and takes nothing; the log says why."""
    server = serve("--message-timeout", "0.2", "--idle-timeout", "2")
    quiet, slow = server.connect(), server.connect()
    slow.send(b"never finish")
    assert slow.read_to_end() == quiet.read_to_end() == b""
    server.errors.wait_for(f"{re.escape(slow.name)} disconnected: message_timeout; ")
    server.errors.wait_for(f"{re.escape(quiet.name)} disconnected: idle; ")


def test_limit_that_is_off(serve: Serve) -> None:
    """`off` on the command line is stronger than a variable, and is no limit."""
    server = serve("--max-peers", "off", "--message-timeout", "OFF", FASTSERVER_MAX_PEERS="1")
    one, other = server.connect(), server.connect()
    one.send(b"hello\n")
    assert other.read_line() == b"hello\n"


@pytest.mark.parametrize("arguments", [["--prot", "1"], ["--port"], ["serve-everybody"], ["--port", "1", "connect"]])
def test_arguments_that_are_none(tmp_path: Path, arguments: list[str]) -> None:
    """One line that names the argument; exit code 2."""
    ended = attempt(*arguments, folder=tmp_path)
    assert ended.code == 2
    assert len(ended.errors) == 1, ended.errors
    assert arguments[0] in ended.errors[0]


def test_port_in_use(serve: Serve, tmp_path: Path) -> None:
    """One line that names the address; exit code 1; who has the port keeps it."""
    server = serve()
    ended = attempt("--port", str(server.port), folder=tmp_path)
    assert ended.code == 1
    assert ended.errors == [f"fastserver: cannot listen on 127.0.0.1:{server.port}: address already in use"]
    one, other = server.connect(), server.connect()
    one.send(b"still here\n")
    assert other.read_line() == b"still here\n"


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid", "two..dots", "x" * 300, "\udcff"])
def test_address_that_is_not_ours(tmp_path: Path, host: str) -> None:
    """One line that names the address; exit code 1."""
    ended = attempt("--host", host, "--port", "0", folder=tmp_path)
    assert len(ended.errors) == 1, ended.errors
    assert ended.errors[0].startswith("fastserver: cannot listen on ")
    assert ended.code == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(serve: Serve, number: int) -> None:
    """Exit code 0, and the last line says what was done."""
    server = serve()
    one, other = server.connect(), server.connect()
    one.send(b"hello\n")
    assert other.read_line() == b"hello\n"
    last = server.stop(number).splitlines()[-1]
    assert last.endswith(" INFO stopped: 2 peers served, 1 messages in, 1 out, 0 dropped, 0 of them by shutdown")


def test_port_is_free_again_at_once(serve: Serve) -> None:
    """A server gets the port of one that has just stopped, though that closed connections there."""
    first = serve()
    peer = first.connect()
    first.signal(signal.SIGTERM)
    assert peer.read_to_end() == b""
    first.stop()
    again = serve("--port", str(first.port))
    assert again.port == first.port
    again.connect()


def test_both_families(serve: Serve) -> None:
    """`--host ::` serves IPv6 and IPv4, and shows peers by the address they know themselves by."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    server = serve("--host", "::")
    assert f"listening on [::]:{server.port}, mode lines\n" in server.log
    four = Connection(("127.0.0.1", server.port))
    six = Connection(("::1", server.port))
    server.connections += [four, six]
    assert four.name.startswith("127.0.0.1:")
    assert six.name.startswith("[::1]:")
    for connection in (four, six):
        server.errors.wait_for(f" {re.escape(connection.name)} connected$")
    four.send(b"from IPv4\n")
    assert six.read_line() == b"from IPv4\n"
    server.errors.wait_for(f"Received message from [12] {re.escape(four.name)}: from IPv4$")


def test_help(tmp_path: Path) -> None:
    """Every setting is there, in the section of its group, with its default."""
    ended = attempt("--help", folder=tmp_path)
    assert (ended.code, ended.errors) == (0, [])
    sections = dict(re.findall(r"^(\w[^\n]*):\n(.*?)(?=^\w|\Z)", ended.output, re.MULTILINE | re.DOTALL))
    groups = dict.fromkeys(setting.group for setting in SETTINGS if setting.command)
    assert [*sections] == [*groups, "Other options", "Commands"]
    for setting in SETTINGS:
        section = " ".join(sections.get(setting.group, "").split())
        assert (setting.option + " " in section) == setting.command
        assert (setting.help in section) == setting.command
    text = " ".join(ended.output.split())
    for default in ("127.0.0.1", "3000", "1 MiB", "16 MiB", "5 s"):
        assert f"[default: {default}]" in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("arguments", "full", "code"),
    [
        ("--help", ">", 1),
        ("--version", ">", 1),
        ("--port x", "2>", 2),
        ("--host two..dots", "2>", 1),
        ("--version", "2>&1 >", 1),
    ],
)
def test_output_that_cannot_be_written(tmp_path: Path, arguments: str, full: str, code: int, unbuffered: str) -> None:
    """The exit code says how it went all the same, and one line which of the two it was, if there is room for that."""
    line = shlex.join([*COMMAND]) + f" {arguments} {full}/dev/full"
    variables = environment(PYTHONUNBUFFERED=unbuffered)
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout + done.stderr == (
        "" if full == "2>" else "fastserver: standard output: No space left on device\n"
    )


def test_version(tmp_path: Path) -> None:
    """It says which version is installed."""
    ended = attempt("--version", folder=tmp_path)
    assert (ended.code, ended.errors) == (0, [])
    assert ended.output == f"fastserver {version('fastserver')}\n"
