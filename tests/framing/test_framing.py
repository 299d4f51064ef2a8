"""The chooser, and what all splitters have in common."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import SAMPLES
from support.splitters import COMPILED, TWINS, WORDS, both, outcome, steps
from support.strategies import cut

from fastserver.compiled import COMPILED as ALL_COMPILED
from fastserver.errors import FrameError
from fastserver.framing import FRAMINGS
from fastserver.framing.registry import framing

INVALID_TEXT = st.sampled_from(["close", "skip", "pass"])
OVERSIZE = st.sampled_from(["close", "skip"])


def test_the_framings_and_their_order() -> None:
    assert list(FRAMINGS) == [
        "lines",
        "delimited",
        "msgpack",
        "msgpack-stream",
        "octet",
        "syslog",
        "length",
        "varint",
        "netstring",
        "telnet",
    ]
    for name, entry in FRAMINGS.items():
        assert entry.name == name


def test_every_framing_has_samples() -> None:
    assert set(SAMPLES) == set(WORDS)


def test_the_compiled_splitters_are_used_unless_twins_are_asked_for() -> None:
    asked = os.environ.get("FASTSERVER_PURE_PYTHON") == "1"
    assert ALL_COMPILED is not asked
    expected = TWINS if asked else COMPILED
    assert {name: type(entry.splitter(9)) for name, entry in FRAMINGS.items()} == {
        name: type(expected[name](9)) for name in FRAMINGS
    }


def test_twins_can_be_asked_for() -> None:
    code = (
        "import sys; from fastserver.compiled import COMPILED; from fastserver.framing import FRAMINGS, Message;"
        "assert not COMPILED and 'fastserver.framing._splitters' not in sys.modules;"
        "assert Message.__module__ == 'fastserver.framing.message';"
        "modules = {type(one.splitter(9)).__module__ for one in FRAMINGS.values()};"
        "assert all(sys.modules[module].__file__.endswith('.py') for module in modules)"
    )
    environment = {**os.environ, "FASTSERVER_PURE_PYTHON": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_twins_stand_in_where_something_was_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os, os.path; real = os.path.exists;"
        "os.path.exists = lambda path: '_sending' not in str(path) and real(path);"
        "from fastserver.framing import FRAMINGS; from fastserver.compiled import COMPILED;"
        "assert not COMPILED; assert FRAMINGS['lines'].splitter(9).feed(b'hi\\n') == b'hi\\n'"
    )
    monkeypatch.delenv("FASTSERVER_PURE_PYTHON", raising=False)
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not COMPILED, reason="nothing compiled")
@pytest.mark.parametrize("name", WORDS)
def test_compiled_splitters_are_small_and_keep_their_fields_to_themselves(name: str) -> None:
    splitter = COMPILED[name](100)
    for field in ("buffer", "offset", "limit", "dead", "scan"):
        assert not hasattr(splitter, field)
    assert not hasattr(splitter, "__dict__")
    assert sys.getsizeof(splitter) <= 150


@both(*WORDS)
def test_what_can_be_read_cannot_be_set(make) -> None:
    splitter = make(100)
    with pytest.raises(AttributeError):
        splitter.held = 1


@both(*WORDS)
def test_what_can_become_of_invalid_text(make) -> None:
    for known in ("close", "skip", "pass"):
        splitter = make(100, known)
        assert (splitter.skipped, splitter.fault) == (0, None)
    with pytest.raises(ValueError, match="invalid_text must be close, skip or pass, not 'drop'"):
        make(100, "drop")


@both(*WORDS)
def test_what_can_become_of_messages_over_the_limit(make) -> None:
    for known in ("close", "skip"):
        splitter = make(100, oversize=known)
        assert (splitter.skipped, splitter.fault) == (0, None)
    with pytest.raises(ValueError, match="oversize must be close or skip, not 'drop'"):
        make(100, oversize="drop")


@both(*WORDS)
@pytest.mark.parametrize("limit", [0, -1, sys.maxsize + 1])
def test_a_limit_no_message_can_have(make, limit: int) -> None:
    with pytest.raises(ValueError, match="max_message must be 1 to"):
        make(limit)


@both(*WORDS)
def test_the_largest_limit(make) -> None:
    assert make(sys.maxsize).feed(b"") == b""


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind(name: str, kind: type) -> None:
    for make in (TWINS[name], COMPILED.get(name, TWINS[name])):
        splitter = make(100)
        frame, partial = SAMPLES[name].frame, SAMPLES[name].partial
        assert (splitter.feed(kind(b"")), splitter.count, splitter.held) == (b"", 0, 0)
        assert (splitter.feed(kind(frame + frame + partial)), splitter.count) == (frame + frame, 2)
        assert splitter.held == len(partial)
        assert (splitter.feed(kind(b"")), splitter.count) == (b"", 0)
        assert splitter.held == len(partial)
        assert type(splitter.feed(kind(frame[len(partial) :] + frame))) is bytes
        assert (splitter.count, splitter.held) == (2, 0)
        assert splitter.frame(kind(b"\xa2hi"))


@both(*WORDS)
def test_what_is_not_bytes(make) -> None:
    splitter = make(100)
    for wrong in ("hi\n", 5, None, [1]):
        with pytest.raises(TypeError):
            splitter.feed(wrong)
    with pytest.raises(BufferError):
        splitter.feed(memoryview(b"a\nb\n")[::2])
    assert splitter.feed(b"") == b""


@pytest.mark.parametrize("name", WORDS)
def test_bytes_that_end_where_a_frame_ends_come_back_as_they_are(name: str) -> None:
    for make in (TWINS[name], COMPILED.get(name, TWINS[name])):
        chunk = SAMPLES[name].frame * 3
        splitter = make(100)
        assert splitter.feed(chunk) is chunk
        mutable = bytearray(chunk)
        frames = splitter.feed(mutable)
        mutable[:] = bytes(len(mutable))
        assert frames == chunk


@pytest.mark.parametrize("name", WORDS)
def test_dead_after_an_error(name: str) -> None:
    for make in (TWINS[name], COMPILED.get(name, TWINS[name])):
        splitter = make(100)
        splitter.feed(SAMPLES[name].partial)
        rest = SAMPLES[name].frame[len(SAMPLES[name].partial) :]
        with pytest.raises(FrameError) as first:
            splitter.feed(rest + SAMPLES[name].frame + SAMPLES[name].wrong + SAMPLES[name].frame)
        error = first.value
        assert (error.frames, error.count) == (SAMPLES[name].frame * 2, 2)
        assert error.offset == 2 * len(SAMPLES[name].frame)
        for call, *arguments in ((splitter.feed, SAMPLES[name].frame), (splitter.feed, b""), (splitter.finish,)):
            with pytest.raises(FrameError) as again:
                call(*arguments)
            assert again.value.args == (error.saw, error.offset, error.limit, b"", 0)
        assert (splitter.count, splitter.held) == (0, 0)


@pytest.mark.parametrize("name", WORDS)
def test_messages_and_frames_round_trip(name: str) -> None:
    payloads = [b"\xa2hi", b"\x01", b"\xa9" + b"x" * 9, b"\x93\x01\x02\x03"]
    for make in (TWINS[name], COMPILED.get(name, TWINS[name])):
        splitter = make(100)
        frames = b"".join(splitter.frame(payload) for payload in payloads)
        if framing(name).written is framing(name).splitter:
            assert splitter.feed(frames) is frames
        messages = splitter.messages(frames, "peer")
        assert [message.payload for message in messages] == payloads
        assert b"".join(message.frame for message in messages) == frames
        assert [message.payload for message in splitter.messages(frames, "peer", 2)] == payloads[:2]
        assert len(splitter.messages(frames, "peer", 99)) == 4
        assert list(splitter.messages(frames, "peer", 0)) == []
        assert list(splitter.messages(b"", "peer")) == []
        with pytest.raises(ValueError, match="frames do not end where a frame ends"):
            splitter.messages(frames[:-1], "peer")


@pytest.mark.parametrize("name", WORDS)
def test_what_is_held_goes_when_the_splitter_goes(name: str) -> None:
    for make in (TWINS[name], COMPILED.get(name, TWINS[name])):
        splitter = make(1 << 20)
        splitter.feed(SAMPLES[name].partial)
        del splitter


@pytest.mark.skipif(not COMPILED, reason="nothing compiled")
@pytest.mark.parametrize("name", WORDS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_compiled_splitter_does_what_its_twin_does(name: str, data: st.DataObject) -> None:
    pieces = data.draw(cut(SAMPLES[name].streams))
    limit = data.draw(st.sampled_from([1, 2, 3, 7, 12, 13, 20, 64, 4096]))
    rules = {"invalid_text": data.draw(INVALID_TEXT), "oversize": data.draw(OVERSIZE)}
    compiled, twin = (partial(kind[name], **rules) for kind in (COMPILED, TWINS))
    assert steps(compiled, limit, pieces) == steps(twin, limit, pieces)


@pytest.mark.parametrize("name", WORDS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_cut_changes_what_a_stream_comes_to(name: str, data: st.DataObject) -> None:
    pieces = data.draw(cut(SAMPLES[name].streams))
    limit = data.draw(st.sampled_from([1, 3, 12, 20, 4096]))
    stream = b"".join(pieces)
    rules = {"invalid_text": data.draw(INVALID_TEXT), "oversize": data.draw(OVERSIZE)}
    for kind in (TWINS[name], COMPILED.get(name, TWINS[name])):
        make = partial(kind, **rules)
        bytewise = outcome(make, limit, [stream[at : at + 1] for at in range(len(stream))])
        assert outcome(make, limit, [stream]).whatever_the_cuts == bytewise.whatever_the_cuts
        assert outcome(make, limit, pieces).whatever_the_cuts == bytewise.whatever_the_cuts
