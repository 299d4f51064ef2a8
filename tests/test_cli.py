"""The command line: options, variables, what is refused, help."""

from __future__ import annotations

import re
import shlex
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import Serve
from support.command import COMMAND, PURE, Capture, Ended, attempt, attempt_here, environment

from fastserver.config.config import SETTINGS

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
    ("--mode", "json", "one of lines, delimited, msgpack, msgpack-stream, octet"),
    ("--mode", "lines\nmsgpack", "one of lines, delimited, msgpack, msgpack-stream, octet"),
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


def test_settings_from_the_environment(serve: Serve) -> None:
    """A variable is as good as an option, and an option is stronger."""
    server = serve(FASTSERVER_PORT="0", FASTSERVER_MODE="msgpack", FASTSERVER_ECHO="1")
    assert f"listening on 127.0.0.1:{server.port}, mode msgpack\n" in server.log
    peer = server.connect()
    peer.send(b"\0\0\0\x01\xc3")
    assert peer.read(5) == b"\0\0\0\x01\xc3"
    assert "mode lines" in serve("--mode", "lines", FASTSERVER_MODE="msgpack").log


@pytest.mark.parametrize(("option", "value", "allowed"), REFUSED)
def test_value_that_is_not_allowed(capfd: Capture, option: str, value: str, allowed: str) -> None:
    """The command writes one line that names the option, the value and what is allowed; exit code 2."""
    check_refusal(attempt_here(capfd, f"{option}={value}"), option, value, allowed)


@pytest.mark.parametrize(("option", "value", "allowed"), REFUSED[2::4])
def test_variable_that_is_not_allowed(capfd: Capture, option: str, value: str, allowed: str) -> None:
    """The same for a value from the environment, whose name is said too."""
    variable = "FASTSERVER_" + option.removeprefix("--").replace("-", "_").upper()
    ended = attempt_here(capfd, **{variable: value})
    check_refusal(ended, option, value, allowed)
    assert f"{variable}, for {option}: " in ended.errors[0]


@pytest.mark.parametrize("link", ["tcp://10.0.0.1:3000", "udp://[fd00::1]:53", " tcp://10.0.0.1:3000"])
def test_variables_of_a_platform(serve: Serve, tmp_path: Path, link: str) -> None:
    """Variables that Kubernetes and Docker set beside a service of our name stop nobody; one line says so."""
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
    """The command writes one line that names file, line and entry; exit code 2."""
    (tmp_path / "blocked.txt").write_text("10.0.0.0/8\n\n10.0.0.1/8  # which of both?\n")
    ended = attempt("--port=0", "--deny=@blocked.txt", folder=tmp_path)
    assert ended.code == 2
    assert ended.errors == [
        "fastserver: --deny: '@blocked.txt' is not allowed: blocked.txt, line 3: '10.0.0.1/8' has host bits set; "
        "allowed is an address, a network such as 10.0.0.0/8, or @FILE with one on each line"
    ]


@pytest.mark.parametrize("arguments", [["--prot", "1"], ["--port"], ["serve-everybody"], ["--port", "1", "connect"]])
def test_arguments_that_are_none(tmp_path: Path, arguments: list[str]) -> None:
    """The command writes one line that names the argument; exit code 2."""
    ended = attempt(*arguments, folder=tmp_path)
    assert ended.code == 2
    assert len(ended.errors) == 1, ended.errors
    assert arguments[0] in ended.errors[0]


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
    """The command says which version is installed."""
    ended = attempt("--version", folder=tmp_path)
    assert (ended.code, ended.errors) == (0, [])
    assert ended.output == f"fastserver {version('fastserver')}\n"
