"""The `fastserver` command."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from textwrap import wrap
from typing import Any, Final, NoReturn

import click

from fastserver.config.config import SETTINGS, Config
from fastserver.config.setting import Setting
from fastserver.errors import ConfigError, ListenError
from fastserver.log.complaint import complain

SERVE_HELP = """Pass every message to everyone connected.

Sizes take KiB, MiB or GiB after the number; times are in seconds. Every option can also be given as an environment
variable: FASTSERVER_MAX_MESSAGE=64KiB is --max-message 64KiB.
"""

CONNECT_HELP = """Talk to a server: send each line that is typed or piped in, show each message that arrives.

ADDRESS is HOST:PORT or unix:PATH; the default is 127.0.0.1:3000. A message is a line; in the msgpack modes the line is
JSON, with {"$bin": "BASE64"} for bytes.
"""

BENCH_HELP = """Measure a server: throughput, latency, and whether every message arrives.

There are two runs, each with its own connections. The first measures throughput: it sends as much as the server takes
(or at --rate, or in --lockstep) and only counts what arrives. The second checks every message: whether it was lost,
reordered or changed, and how long it took. The second run sends at --rate; by default, at no more than a tenth of the
measured throughput, and no faster than it can check. Latency counts from the moment a message was due, even if it was
sent late.

Sizes are those of payloads; the framing comes on top. Nothing else should use the server meanwhile. The exit code is 1
if a message was lost, reordered or changed, or if the server closed a connection. Ctrl-C ends the run early, with a
report.
"""

WAIT: Final = Setting(
    name="wait",
    type=float,
    default=None,
    help="How long to receive after the end of the input; the default is 1 s, or 0 s if the input is a terminal.",
    unit="seconds",
    low=0,
    high=31_536_000,
)
"""The one setting of `fastserver connect` alone."""

UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
"""Errors of writing to a full disk, or to a pipe that nobody reads."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


OPTION: Final = 30
"""Columns for the name of an option in the help; its text begins on the next line if that is longer."""

TIED: Final = "\N{NO-BREAK SPACE}"
"""Between words of the help that stay on one line."""


class Option(click.Option):
    """An option that knows in which section of the help it stands."""

    def __init__(self, *arguments: Any, section: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help shows its options section by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_sections(self.get_params(ctx), ctx, formatter)


def _write_sections(parameters: Iterable[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter) -> None:
    # Not by click: that would break lines within names of options.
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in parameters:
        if (record := parameter.get_help_record(ctx)) is not None:
            sections.setdefault(getattr(parameter, "section", "Other options"), []).append(record)
    for title, records in sections.items():
        with formatter.section(title):
            margin = " " * formatter.current_indent
            column = len(margin) + OPTION + 2
            for name, text in records:
                lines = wrap(text, formatter.width - column, break_on_hyphens=False, break_long_words=False)
                if len(name) > OPTION:
                    formatter.write(f"{margin}{name}\n")
                    name = ""
                for line in lines:
                    formatter.write(f"{margin}{name:<{OPTION}}  {line.replace(TIED, ' ')}\n")
                    name = ""


def _option(setting: Setting) -> Option:
    flag = setting.type is bool
    shown = not flag and (setting.off or setting.default not in (None, (), ""))
    default = "  " + f"[default: {setting.show(setting.default)}]".replace(" ", TIED) if shown else ""
    kind: dict[str, Any] = {"is_flag": True, "flag_value": "true"} if flag else {"multiple": setting.type is tuple}
    return Option(
        [setting.option, setting.name],
        section=setting.group,
        **kind,
        type=str,
        metavar=None if flag else "|".join(setting.choices) or setting.unit.upper() or setting.name.upper(),
        help=setting.help + default,
    )


def _report(name: str, what: str) -> Option:
    text = f"{what} to FILE; without FILE, to standard output instead of the table."
    return Option([f"--{name}"], section="Report", is_flag=False, flag_value="-", metavar="[FILE]", help=text)


def _serve(**given: Any) -> None:
    subcommand = click.get_current_context().invoked_subcommand
    if subcommand is not None:
        for setting in SETTINGS:
            if (value := given.get(setting.name)) not in (None, ()):
                where = f"before {subcommand}; allowed is after {subcommand}, if that has it"
                raise ConfigError(f"{setting.option}: {value!r} is not allowed {where}")
        return
    from fastserver.process.run import run
    from fastserver.server import Server

    run(Server(Config(**_chosen(given))), _ignored(given), last=True)


def _connect(address: str, wait: str | None, **given: Any) -> int:
    from fastserver.client.terminal import terminal
    from fastserver.process.descriptors import fill_standard
    from fastserver.process.run import run_loop

    fill_standard()
    seconds = None if wait is None else WAIT.parse(wait)
    return run_loop(terminal(address, wait=seconds, **_chosen(given)))


def _bench(json: str | None, csv: str | None, **given: Any) -> int:
    from fastserver.load.command import bench
    from fastserver.load.plan import OPTIONS, SERVER
    from fastserver.process.descriptors import fill_standard

    fill_standard()
    for text in _ignored(given):
        complain(text)
    return bench(json, csv, **_chosen(given, (*SERVER, *OPTIONS)))


def _chosen(given: dict[str, Any], settings: Iterable[Setting] = SETTINGS) -> dict[str, Any]:
    """The settings given on the command line, or else in the environment. Raises `ConfigError`."""
    # Not left to click: to a flag's variable it says neither the option nor what is allowed.
    chosen = {}
    for setting in settings:
        if setting.name not in given:
            continue
        value = given[setting.name]
        if value not in (None, ()):
            chosen[setting.name] = setting.check(value) if setting.type is tuple else setting.parse(value)
        elif (text := os.environ.get(setting.variable)) and not _is_link(setting, text):
            try:
                chosen[setting.name] = setting.parse(text)
            except ConfigError as error:
                raise ConfigError(f"{setting.variable}, for {error}") from None
    return chosen


def _ignored(given: dict[str, Any]) -> list[str]:
    """Warnings about environment variables that have our names, but are not meant for us."""
    found = [(setting, os.environ.get(setting.variable, "")) for setting in SETTINGS if setting.name in given]
    return [
        f"{setting.variable}={text!r} is ignored: that is a link to a service, not {setting.option}"
        for setting, text in found
        if given[setting.name] is None and _is_link(setting, text)
    ]


def _is_link(setting: Setting, text: str) -> bool:
    """True if a platform set the variable: next to a service or container that is called `fastserver`, Kubernetes and
    Docker have `FASTSERVER_PORT=tcp://10.0.0.1:3000`, and others that are no settings.
    """
    return setting.name == "port" and text.strip().startswith(("tcp://", "udp://", "sctp://"))


class Commands(click.Group):
    """The command. Its subcommands are made when they are named, so that a server does not import what only they need.

    Its help shows its options section by section.
    """

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_sections(self.get_params(ctx), ctx, formatter)
        self.format_commands(ctx, formatter)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["bench", "connect"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        make = {"bench": _bench_command, "connect": _connect_command}.get(cmd_name)
        return None if make is None else make()


def command() -> click.Group:
    """The command with all its options, made from the settings."""
    serve = Commands(
        name="fastserver",
        invoke_without_command=True,
        callback=_serve,
        params=[_option(setting) for setting in SETTINGS if setting.command],
        help=SERVE_HELP,
        context_settings=CONTEXT,
        subcommand_metavar="[COMMAND]",
    )
    return click.version_option(package_name="fastserver", message="fastserver %(version)s")(serve)


def _connect_command() -> click.Command:
    settings = {setting.name: setting for setting in SETTINGS}
    return click.Command(
        name="connect",
        callback=_connect,
        params=[
            click.Argument(["address"], default="127.0.0.1:3000"),
            _option(settings["mode"]),
            _option(replace(settings["max_message"], help="Maximum payload of one message, sent or received.")),
            _option(WAIT),
        ],
        help=CONNECT_HELP,
        short_help="Talk to a server from the terminal or a pipe.",
        context_settings=CONTEXT,
    )


def _bench_command() -> click.Command:
    from fastserver.load.plan import OPTIONS, SERVER

    return SectionedCommand(
        name="bench",
        callback=_bench,
        params=[
            *map(_option, (*SERVER, *OPTIONS)),
            _report("json", "Write the result as JSON"),
            _report("csv", "Add the result as a row of CSV"),
        ],
        help=BENCH_HELP,
        short_help="Measure a server: throughput, latency, loss.",
        context_settings=CONTEXT,
    )


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit: 0 done, 1 failed, 2 wrong options."""
    try:
        code = command().main(arguments, prog_name="fastserver", standalone_mode=False)
    except ConfigError as error:
        _fail(str(error), 2)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except ListenError as error:
        _fail(str(error), 1)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except OSError as error:
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        _fail(f"standard output: {error.strerror}", 1)  # only help and results are written there
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str, code: int) -> NoReturn:
    complain(text)
    for name in ("stdout", "stderr"):
        try:
            if (stream := getattr(sys, name)) is not None:
                stream.flush()
        except OSError:
            setattr(sys, name, None)  # or Python would try once more, and end with a code of its own
    sys.exit(code)
