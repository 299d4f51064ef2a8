"""Telemetry: the newest value of each key."""

from __future__ import annotations

from support.examples import Connect, Start, hears, says


def test_telemetry(example: Start, connect: Connect) -> None:
    port = example("telemetry")
    early, sensor = connect(port), connect(port)
    says(sensor, "kitchen/temperature=20", "door=open\r", "kitchen/temperature=21.5", "nonsense")
    assert sensor.read_line().startswith(b"! ")
    hears(early, "kitchen/temperature=20", "door=open\r", "kitchen/temperature=21.5")
    late = connect(port)
    hears(late, "kitchen/temperature=21.5", "door=open")
    says(late, "door=")
    hears(early, "door=")
    hears(sensor, "door=")


def test_telemetry_forgets_no_key_and_takes_no_more_than_its_limit(example: Start, connect: Connect) -> None:
    port = example("telemetry")
    sensor = connect(port)
    says(sensor, *[f"{number}=x" for number in range(1001)])
    assert sensor.read_line() == b"! no room for another key\n"
    says(sensor, "999=y", "1000=y")
    assert sensor.read_line() == b"! no room for another key\n"
    late = connect(port)
    hears(late, *[f"{number}=x" for number in range(999)], "999=y")
