"""The plan of a load: publishers, subscribers, messages, pace and length."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from fastserver.client.address import Address
from fastserver.config.addresses import DEFAULT_HOST, DEFAULT_PORT
from fastserver.config.config import SETTINGS
from fastserver.config.setting import Setting
from fastserver.errors import ConfigError
from fastserver.framing.registry import DEFAULT_MODE
from fastserver.load.mix import Mix, writes
from fastserver.load.stamp import STAMPS, stamp
from fastserver.load.wire import WIRES, Wire


def processors() -> int:
    """The number of processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


LOAD: Final = "Load"
MEASUREMENT: Final = "Measurement"


def _setting(group: str, default: Any, help: str, *, kind: type | None = None, **more: Any) -> Any:
    known = {"group": group, "help": help, "type": kind or type(default), "default": default}
    return field(default=default, metadata=known | more)


@dataclass(frozen=True)
class Plan:
    """A load to make. Raises `ConfigError` for a value, or values together, that are not allowed."""

    address: Address = Address(DEFAULT_HOST, DEFAULT_PORT)  # noqa: RUF009 - it is frozen
    wire: Wire = WIRES[DEFAULT_MODE]
    publishers: int = _setting(LOAD, 1, "Connections that publish.", unit="connections", low=1, high=100_000)
    subscribers: int = _setting(
        LOAD, 10, "Connections that receive what the publishers send.", unit="connections", low=1, high=100_000
    )
    all_to_all: int | None = _setting(
        LOAD,
        None,
        "Connections that publish and receive what all the others send, instead of publishers and subscribers.",
        kind=int,
        unit="connections",
        low=2,
        high=100_000,
        off=True,
    )
    size: str = _setting(
        LOAD,
        "64",
        "Bytes of a payload; 64:90,1024:10 is a mix, nine payloads of 64 bytes to one of 1024.",
    )
    batch: int = _setting(LOAD, 1, "Messages in one write.", unit="messages", low=1, high=1_000_000)
    rate: float | None = _setting(
        LOAD,
        None,
        "Messages a second, all publishers together; off is as fast as possible, never far ahead of the subscribers.",
        kind=float,
        unit="messages",
        low=0.001,
        high=1_000_000_000,
        off=True,
    )
    lockstep: bool = _setting(
        LOAD,
        False,
        "Send each write only when everyone has the last one, so that every server finds the same amount to read at "
        "a time and processor times can be compared.",
    )
    duration: float = _setting(
        MEASUREMENT, 5.0, "Length of the run for throughput.", unit="seconds", low=0.001, high=86_400
    )
    check: float | None = _setting(
        MEASUREMENT,
        2.0,
        "Length of the second run, which measures latency and looks for loss.",
        unit="seconds",
        low=0.001,
        high=86_400,
        off=True,
    )
    processes: int = _setting(
        LOAD,
        # Half of the processors: the server needs some. Beyond four, none was ever the bottleneck.
        max(1, min(4, processors() // 2)),
        "Processes that make the load.",
        unit="processes",
        low=1,
        high=256,
    )
    pid: int | None = _setting(
        MEASUREMENT,
        None,
        "Process of a server on this machine, whose processor time per delivery is then reported.",
        kind=int,
        low=1,
        high=2**22,  # as many as Linux has at most
    )
    patience: float = _setting(
        MEASUREMENT,
        2.0,
        "Maximum wait after the last write while nothing arrives.",
        unit="seconds",
        low=0.001,
        high=3600,
    )
    echo: bool = _setting(LOAD, False, "Expect a publisher's own messages back too: the server runs with --echo.")
    processors: frozenset[int] | None = None
    """The processors that the processes of the load run on; None is all that this process may use."""

    def __post_init__(self) -> None:
        for setting in OPTIONS:
            value = getattr(self, setting.name)
            if value is not None or setting.default is not None:
                object.__setattr__(self, setting.name, setting.check(value))
        if self.echo:
            object.__setattr__(self, "wire", replace(self.wire, echo=True))
        mix = self.mix
        for size in dict.fromkeys(mix.cycle):
            try:
                self.wire.publish(self.wire.payload(size, stamp(0)))
            except ValueError as error:
                raise ConfigError(f"--size: {size} is not allowed with {self.wire.name}: {error}") from None
        try:
            writes(self.wire, mix, self.batch)
        except ValueError as error:
            raise ConfigError(f"--batch: {self.batch} is not allowed: {error}") from None
        if self.lockstep and self.rate is not None:
            raise ConfigError(f"--rate: {self.rate:g} is not allowed with --lockstep, which has none")
        if self.lockstep and self.processes > 1:
            raise ConfigError(f"--processes: {self.processes} is not allowed with --lockstep, which has one")
        if (self.check or 0) * (self.rate or 0) >= STAMPS:
            raise ConfigError(f"--check: {self.check:g} is not allowed with --rate {self.rate:g}: too many messages")

    @property
    def mix(self) -> Mix:
        """The sizes of its messages."""
        return Mix(self.size)

    @property
    def both(self) -> int:
        """Connections that both publish and receive."""
        return self.all_to_all if self.all_to_all and self.wire.both else 0

    @property
    def senders(self) -> int:
        """Connections that publish."""
        return self.all_to_all or self.publishers

    @property
    def receivers(self) -> int:
        """Connections that receive."""
        return self.all_to_all or self.subscribers

    @property
    def connections(self) -> int:
        """All connections. The first `senders` publish, the last `receivers` receive."""
        return self.senders + self.receivers - self.both

    @property
    def recipients(self) -> int:
        """Connections that receive one and the same message."""
        return self.receivers - (1 if self.both and not self.wire.echo else 0)


OPTIONS: Final = tuple(
    Setting(name=item.name, **{"help": "", **item.metadata}) for item in fields(Plan) if item.metadata
)
"""The settings of `fastserver bench` alone, in the order of its help."""

_SERVER: Final = {setting.name: setting for setting in SETTINGS}
SERVER: Final = (
    replace(_SERVER["host"], help="Address or name of the server.", group="Server"),
    replace(_SERVER["port"], help="TCP port of the server.", low=1, group="Server"),
    replace(_SERVER["unix"], help="Unix socket of the server; replaces host and port.", group="Server"),
    replace(_SERVER["mode"], group="Server"),
)
"""The address and the mode of the server, in the words of its own options."""
