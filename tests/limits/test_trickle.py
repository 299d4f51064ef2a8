"""The trickle: what passes while a reader is near its limit."""

from __future__ import annotations

from support.pace import LIMIT, begin, flood, send

from fastserver.limits.trickle import TRICKLE_INTERVAL


def test_one_that_says_little_is_not_held_beside_those_that_say_much() -> None:
    simulation, sender, (slow, reading) = begin(max_pending=16 * LIMIT)
    one, other = simulation.connect(), simulation.connect()
    flood(simulation, sender)
    said = 0
    for number in range(100):
        flood(simulation, sender)
        assert not sender[1].reading
        for talker in one, other:  # 120 messages a second each
            for _ in range(12):
                assert send(simulation, talker, b"%08d" % number * 8 + b"\n")
                said += 1
        assert (
            simulation.server.limits.pacing.held_bytes(one[0])
            == simulation.server.limits.pacing.held_bytes(other[0])
            == 0
        )
        simulation.loop.advance(TRICKLE_INTERVAL)
        if number % 10 == 0:
            reading.give_room(1000)
    heard = bytes(one[1].sent + other[1].sent).splitlines()
    assert said == sum(not line.startswith(b"x") for line in heard)
    assert slow.reason is None
