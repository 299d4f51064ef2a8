"""`fastserver bench` as a user runs it."""

from __future__ import annotations

import csv
import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from support.command import COMMAND, Ended, attempt, environment

from fastserver.config.config import SETTINGS
from fastserver.framing import FRAMINGS
from fastserver.load.command import _write
from fastserver.load.plan import OPTIONS, SERVER
from fastserver.load.record import COLUMNS

SHORT = ("--duration", "0.2", "--check", "0.2", "--subscribers", "3")


def bench(folder: Path, *options: str, **variables: str) -> Ended:
    return attempt("bench", *options, folder=folder, **variables)


@pytest.mark.parametrize("mode", ["lines", "lines?eol=crlf", "msgpack"])
def test_table(serve: Serve, tmp_path: Path, mode: str) -> None:
    server = serve("--mode", mode)
    ended = bench(tmp_path, "--port", str(server.port), "--mode", mode, *SHORT)
    assert (ended.code, ended.errors) == (0, [])
    lines = ended.output.splitlines()
    assert lines[0] == f"127.0.0.1:{server.port}, {mode}: 1 publisher → 3 subscribers, 64 B, flat out"
    names = [line.split()[0] for line in lines if line.startswith("  ")]
    latency = ["Check", "p50", "p90", "p99", "p99.9", "max", "intact"]
    assert names == ["Throughput", "messages", "deliveries", "lost", "worst", "fairness", *latency]


def test_a_server_is_named_as_everywhere(serve: Serve, tmp_path: Path) -> None:
    """In the environment too; a Unix socket replaces host and port."""
    serve("--unix", str(tmp_path / "socket"), "--mode", "msgpack")
    ended = bench(
        tmp_path, "--unix", "socket", *SHORT, "--all-to-all", "off", FASTSERVER_MODE="msgpack", FASTSERVER_PORT="1"
    )
    assert (ended.code, ended.errors) == (0, [])
    assert ended.output.startswith("unix:socket, msgpack: 1 publisher → 3 subscribers, ")


def test_json(serve: Serve, tmp_path: Path) -> None:
    """To standard output instead of the table, or to a file beside it."""
    server = serve()
    options = ("--port", str(server.port), "--json", *SHORT)
    document = json.loads(bench(tmp_path, *options).output)
    assert document["clean"] is True
    assert document["throughput"]["deliveries"] == 3 * document["throughput"]["messages"]
    ended = bench(tmp_path, *options[:3], "out.json", *SHORT)
    assert "Throughput" in ended.output
    assert json.loads((tmp_path / "out.json").read_text())["plan"] == document["plan"]


def test_csv(serve: Serve, tmp_path: Path) -> None:
    """A row is added to a file; standard output gets its header as well."""
    server = serve()
    for _ in range(2):
        ended = bench(tmp_path, "--port", str(server.port), *SHORT, "--csv", "out.csv")
        assert (ended.code, ended.errors) == (0, [])
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clean"] for row in rows] == ["true", "true"]
    assert tuple(rows[0]) == COLUMNS
    ended = bench(tmp_path, "--port", str(server.port), *SHORT, "--csv")
    assert [line.split(",")[0] for line in ended.output.splitlines()] == ["address", f"127.0.0.1:{server.port}"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--size", "64:9:1"], "--size: '9:1' is not allowed; allowed is shares of 1 to 1000, as in 64:90,1024:10"),
        (["--batch", "0"], "--batch: '0' is not allowed; allowed is 1 to 1000000"),
        (["--port", "0"], "--port: '0' is not allowed; allowed is 1 to 65535"),
        (
            ["--mode", "xml"],
            f"--mode: 'xml' is not allowed: there is no mode 'xml'; allowed is one of {', '.join(FRAMINGS)}",
        ),
        (["--lockstep", "--rate", "5"], "--rate: 5 is not allowed with --lockstep, which has none"),
        (["--all-to-all", "5", "--subscribers", "3"], "--subscribers: 3 is not allowed with --all-to-all"),
        (["--json", "--csv"], "--json and --csv cannot both go to standard output: give one of them a file"),
        (["--csv", "no/such"], "--csv: 'no/such' is not allowed; allowed is a file that can be written"),
        (["--csv", "other.csv"], "--csv: 'other.csv' is not allowed: it has other columns; allowed is a new file"),
        (["localhost:3000"], "Got unexpected extra argument (localhost:3000)"),
    ],
)
def test_options_that_are_not_allowed(tmp_path: Path, arguments: list[str], text: str) -> None:
    """They are named in a line, exit code 2; no file is touched."""
    (tmp_path / "other.csv").write_text("a,b\n")
    assert bench(tmp_path, *arguments) == Ended(2, "", [f"fastserver: {text}"])
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]
    assert (tmp_path / "other.csv").read_text() == "a,b\n"


def test_without_the_extra(tmp_path: Path, serve: Serve) -> None:
    """A line names the extra, exit code 2; a load that does not need it is made."""
    (tmp_path / "hdrh.py").write_text("raise ImportError\n")
    ended = bench(tmp_path, PYTHONPATH=str(tmp_path))
    assert ended == Ended(
        2,
        "",
        [
            "fastserver: --check needs hdrhistogram, which is not installed: pip install 'fastserver[bench]'; "
            "or say --check off"
        ],
    )
    port = str(serve().port)
    ended = bench(tmp_path, "--port", port, "--duration", "0.2", "--check", "off", PYTHONPATH=str(tmp_path))
    assert (ended.code, ended.errors) == (0, [])


def test_unreachable(tmp_path: Path, serve: Serve) -> None:
    server = serve()
    server.stop()
    ended = bench(tmp_path, "--port", str(server.port), "--json", "out.json")
    assert ended == Ended(1, "", [f"fastserver: 127.0.0.1:{server.port}: Connection refused"])
    assert not (tmp_path / "out.json").exists()


def test_server_that_ends_meanwhile(start_program: StartProgram, serve: Serve) -> None:
    """The number of its connections is reported, and the results until then; exit code 1."""
    server = serve("--drain-timeout", "0")
    program = start_program(*COMMAND, "bench", "--port", str(server.port), "--duration", "3600", terminal=True)
    program.output.wait_for("throughput 0 of 3600 s")
    server.stop()
    program.output.wait_for(r"closed .*11.*connections, by the server")
    program.output.wait_for(r"Not checked: 127\.0\.0\.1:\d+: Connection refused")
    assert program.wait() == 1


def test_a_result_that_cannot_be_written(serve: Serve, tmp_path: Path) -> None:
    """A line names the option, the file and the reason, exit code 1; the rest of the result comes."""
    port = str(serve().port)
    for option in ("--json", "--csv"):
        ended = bench(tmp_path, "--port", port, *SHORT, option, "/dev/full")
        assert (ended.code, ended.errors) == (1, [f"fastserver: {option}: /dev/full: No space left on device"])
        assert "Throughput" in ended.output
    ended = bench(tmp_path, "--port", port, *SHORT, "--json", "/dev/full", "--csv", "out.csv")
    assert ended.code == 1
    assert (tmp_path / "out.csv").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("redirected", "said"),
    [
        (">/dev/full", ["fastserver: standard output: No space left on device"]),
        ("--json >/dev/full", ["fastserver: standard output: No space left on device"]),
        (">&-", ["fastserver: standard output is closed"]),
        ("--csv >&- <&-", ["fastserver: standard output is closed"]),
        (">/dev/full 2>&-", []),
    ],
)
def test_standard_output_that_cannot_be_written(serve: Serve, tmp_path: Path, redirected: str, said: list[str]) -> None:
    shell = f'exec "$0" -m fastserver bench --port {serve().port} --duration 0.1 --check off {redirected}'
    ended = subprocess.run(
        ["sh", "-c", shell, sys.executable], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr.splitlines()) == (1, "", said)


def test_half_a_row_is_none(tmp_path: Path) -> None:
    """A disk that is full in the middle of a row leaves the file as it was."""
    path = tmp_path / "out.csv"
    path.write_text("header\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        assert not _write("--csv", str(path), "a", "a row\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "header\n"


def test_interrupt(start_program: StartProgram, serve: Serve) -> None:
    """Ctrl-C ends it early, with a report; the progress line is gone then."""
    server = serve()
    program = start_program(*COMMAND, "bench", "--port", str(server.port), "--duration", "3600", terminal=True)
    program.output.wait_for(r"throughput 0 of 3600 s   [\d,]+ messages/s   [\d,]+ deliveries/s")
    program.signal(signal.SIGINT)
    program.output.wait_for("\r\x1b\\[K\x1b\\[1m127.0.0.1:")
    program.output.wait_for("lost .*0.*of [0-9,]+ deliveries")
    program.output.wait_for("Ended early")
    assert program.wait() == 130


def test_interrupt_before_it_begins(start_program: StartProgram, tmp_path: Path) -> None:
    """Nothing is reported; a server that never passes anything on is not waited for."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        program = start_program(*COMMAND, "bench", "--port", str(port), "--json", environment=environment())
        connection, _ = listening.accept()
        assert connection.recv(1) == b"x"  # the first probe: by now, Ctrl-C is listened to
        program.signal(signal.SIGINT)
        assert program.wait() == 130
        connection.close()
    assert program.output.wait_for_end() == program.errors.wait_for_end() == b""


def test_help(tmp_path: Path) -> None:
    """Every setting is there; none but `echo` has the name of a setting of the server."""
    ended = bench(tmp_path, "--help")
    assert (ended.code, ended.errors) == (0, [])
    text = " ".join(ended.output.split())
    for setting in (*SERVER, *OPTIONS):
        assert f"\n{setting.group}:\n" in ended.output
        assert setting.option in text
        assert setting.help in text
    shared = {setting.name for setting in SETTINGS} & {setting.name for setting in OPTIONS}
    assert shared == {"echo"}
