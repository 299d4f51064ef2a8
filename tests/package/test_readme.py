"""The READMEs: commands are understood, links lead somewhere, names exist, figures are those measured."""

from __future__ import annotations

import os
import re
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from support.readme import FIRST, PAGES, ROOT, anchors, blocks, commands, links, spans

import fastserver
from fastserver.cli import command
from fastserver.config.config import SETTINGS, Config
from fastserver.load.plan import OPTIONS, SERVER, Plan

if not FIRST.exists():
    pytest.skip("there are no READMEs here", allow_module_level=True)

NOT_OURS = ("nc", "ncat", "telnet", "socat", "logger", "echo", "printf", "ps", "pgrep", "sysctl", "perf", "/dev/null")
"""Programs, and one file, of the system."""

OURS = {setting.option for setting in (*SETTINGS, *SERVER, *OPTIONS)} | {"--help", "--json", "--csv", "--wait"}
SCRIPTS = ("bench/report.py", "tests/soak.py", "tests/nomemory.py")

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


# --- what they are


def test_first_page_is_short_and_begins_with_two_commands() -> None:
    """The first runs the server, the second the tests: `.ci/run` does as it says."""
    assert len(FIRST.read_text("utf-8").splitlines()) <= 200
    run, check, *_ = blocks(FIRST, "sh")
    assert run == "pip install . && fastserver --mode lines\n"
    assert check == "pip install -e '.[test]' && pytest\n"


def test_rooms_are_all_described_in_the_order_of_the_layers() -> None:
    """The order in which they may import each other, which `lint-imports` checks."""
    rooms = {room.parent.name for room in (ROOT / "fastserver").glob("*/__init__.py")}
    layers = re.findall(r'^    "([a-z_| ]+)",$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    level = {name: number for number, layer in enumerate(layers) for name in layer.split(" | ")}
    described = [link.removesuffix(".py") for link in links(ROOT / "fastserver/README.md")]
    described = [name for name in dict.fromkeys(described) if name in level]
    assert {*described} >= rooms
    assert described == sorted(described, key=level.__getitem__)


def test_every_close_reason_is_explained() -> None:
    table = (ROOT / "fastserver/log/README.md").read_text("utf-8")
    assert [reason.value for reason in fastserver.CloseReason if f"`{reason}`" not in table] == []


def test_speed_is_what_was_measured() -> None:
    """Each figure of the first page stands in the results, beside the same server under the same head."""
    ours, results = table(FIRST.read_text("utf-8")), table((ROOT / "bench/results/summary.md").read_text("utf-8"))
    assert len(ours) == 4
    for server, figures in ours.items():
        assert figures.items() <= results[server].items()


def table(text: str) -> dict[str, dict[str, str]]:
    """The rows of the table of speeds by server, each with its figures by head."""
    head, _, *rows = re.findall(r"^\|(?=  \| 1|\ [-\w]+(?: [-\w]+)? \| [\d.]+| ---).*$", text, re.MULTILINE)
    names = [cell.strip() for cell in head.split("|")[2:-1]]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return {server: dict(zip(names, figures, strict=True)) for server, *figures in cells}


# --- what they name


@by_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert target.is_relative_to(ROOT), link
            assert not anchor or anchor in anchors(target), link


@by_page
def test_options_variables_paths_and_names_exist(page: Path) -> None:
    known = OURS | {"--benchmark-enable"} | set(re.findall(r'"(--[a-z-]+)"', sources()))
    server = fastserver.Server()
    things = {"server": server, "peer": fastserver.Peer, "message": fastserver.Message, "channel": fastserver.Channel}
    variables = {setting.variable for setting in SETTINGS} | {"FASTSERVER_PURE_PYTHON"}
    for span in spans(page):
        if not span.startswith(NOT_OURS):
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", span)) <= known, span
        assert set(re.findall(r"FASTSERVER_[A-Z_]+", span)) <= variables, span
        for path in re.findall(r"^(?:\./)?(?:fastserver|tests|bench|ext)/[a-z_/]+[.\w]*$", span):
            assert (ROOT / path).exists(), span
        match = re.match(r"@?(server|peer|message|channel)((?:\.\w+)+)", span)
        if match and match[2] != ".py":
            thing = things[match[1]]
            for name in match[2].strip(".").split("."):
                assert hasattr(thing, name), span
                thing = getattr(thing, name)


@by_page
def test_every_block_is_checked(page: Path) -> None:
    """Each kind of block has its test, here or among the blocks that are run."""
    kinds = re.findall(r"^```(\w+)", page.read_text("utf-8"), re.MULTILINE)
    assert {*kinds} <= {"sh", "console", "text", "python", "ini"}


def sources() -> str:
    return "".join((ROOT / script).read_text("utf-8") for script in SCRIPTS)


# --- what they have one type


@by_page
def test_commands_are_understood(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in commands(page):
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        match words:
            case ["fastserver", "--max-peers", "0"]:
                pass  # shown to be refused: see below
            case ["fastserver", "bench", *arguments]:
                check_bench([str(os.getpid()) if word.startswith("$(pgrep") else word for word in arguments])
            case ["fastserver", "connect", *arguments]:
                parse("connect", arguments)
            case ["fastserver", *arguments]:
                check_server(arguments)
            case ["pip", "install", *what]:
                assert all(re.fullmatch(r"-e|\.|\.\[(test|dev|bench|rivals)\]", word) for word in what), words
            case ["python", "-m", module]:
                assert module.endswith(".NAME") or find_spec(module), words
            case ["python", "-c", code]:
                compile(code, "README", "exec")
            case ["python", script, *arguments]:
                source = (ROOT / script).read_text("utf-8")
                assert all(f'"{word}"' in source for word in arguments if word.startswith("--")), words
            case ["pytest", *arguments]:
                known = ("--benchmark-enable", "-n", "3", "-k", "compiled")
                assert all(word in known or (ROOT / word).exists() for word in arguments), words
            case ["ruff" | "mypy" | "lint-imports", *_]:
                assert words[0].replace("lint-imports", "importlinter") in (ROOT / "pyproject.toml").read_text("utf-8")
            case [program, *_]:
                assert program in NOT_OURS, words


def test_service_has_settings_that_exist() -> None:
    unit = ConfigParser()
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(blocks(ROOT / "fastserver/process/README.md", "ini")[0])
    program, *arguments = unit["Service"]["ExecStart"].split()
    assert program.endswith("/fastserver")
    check_server(arguments)
    settings = {setting.variable: setting for setting in SETTINGS}
    for variable in unit["Service"]["Environment"].split():
        name, _, value = variable.partition("=")
        settings[name].parse(value)


def parse(name: str, arguments: list[str]) -> dict[str, str]:
    """The settings of a subcommand, or of the command itself."""
    group = command()
    parsed = group if name == "" else group.get_command(click.Context(group), name)
    assert parsed is not None
    if "--help" in arguments:
        return {}
    given = parsed.make_context(name or "fastserver", arguments).params
    return {name: value for name, value in given.items() if value not in (None, ())}


def check_bench(arguments: list[str]) -> None:
    given = parse("bench", arguments)
    Plan(**{setting.name: setting.parse(given[setting.name]) for setting in OPTIONS if setting.name in given})


def check_server(arguments: list[str]) -> None:
    for argument in arguments:
        if argument.startswith("@"):
            Path(argument[1:]).write_text("192.0.2.0/24\n")
    given = parse("", arguments)
    Config(**{setting.name: given[setting.name] for setting in SETTINGS if setting.name in given})  # type: ignore[arg-type]
