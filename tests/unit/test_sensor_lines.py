"""What sensors write: lines, entries, refusals, pauses between starts, and logs that never outgrow their cap."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.model.automations import SensorDefinition
from attune_cli.runtime.sensors.lines import EventLine, Lines, Refusal, StateLine, read_line
from attune_cli.runtime.sensors.logs import VERSIONS, RotatedLog
from attune_cli.runtime.sensors.schedule import Schedule
from attune_cli.runtime.services.sensors import Assignment

PROBE = Assignment(
    id=1,
    ref="garden.probe",
    definition=SensorDefinition(ref="garden.probe", pack_ref="garden"),
    runtime=None,
    folder=Path("/nowhere"),
    config={},
    secrets=(),
    trigger_refs=("garden.dry",),
    triggers=(),
    generation=(0, 0),
)


def read(**line: object) -> object:
    return read_line(json.dumps(line).encode(), PROBE, 7)


def test_an_object_with_trigger_and_payload_is_an_event() -> None:
    assert read(trigger="dry", payload=None) == EventLine(7, "garden.dry", None)
    whole = read(trigger_ref="garden.dry", payload={"a": 1}, trigger_instance_id="rule_3", id=12)
    assert whole == EventLine(7, "garden.dry", {"a": 1}, "rule_3", "12")


def test_an_object_with_a_state_is_kept() -> None:
    assert read(state={"name": "seen", "value": [1]}) == StateLine(7, "seen", [1])


@pytest.mark.parametrize(
    "line",
    [
        {"trigger": "core.alert", "payload": {}},
        {"trigger": 5, "payload": {}},
        {"trigger": "dry", "payload": {}, "dedup_key": ""},
        {"trigger": "dry", "payload": {}, "dedup_key": "x" * 201},
        {"trigger": "dry", "payload": {}, "dedup_key": "\ud800"},
        {"trigger": "dry", "payload": {}, "trigger_instance_id": 3},
        {"trigger": "dry", "payload": {}, "trigger_instance_id": "\ud800"},
        {"trigger": "dry", "payload": float("nan")},
        {"state": {"name": "seen"}},
        {"state": 5},
    ],
)
def test_what_is_meant_for_us_and_faulty_is_refused(line: dict[str, object]) -> None:
    assert isinstance(read(**line), Refusal)


@pytest.mark.parametrize(
    "text", [b"", b"hello", b"[1]", b"{", b"{}", b'{"trigger": "dry"}', b"\xff{", b"{" * 5000]
)
def test_everything_else_is_text(text: bytes) -> None:
    assert read_line(text, PROBE, 1) == text


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
def test_lines_are_the_same_however_the_stream_is_cut(pieces: list[bytes], size: int) -> None:
    stream = b"".join(pieces)
    lines = Lines()
    found = [line for at in range(0, len(stream), size) for line in lines.feed(stream[at : at + size])]
    assert b"\n".join([*found, *(lines.rest() or [b""])]) == stream


def test_a_line_that_is_too_long_is_cut_and_says_so() -> None:
    lines = Lines(limit_bytes=10)
    assert [line for _ in range(3) for line in lines.feed(b"x" * 10)] == []
    [cut, after] = lines.feed(b"\nshort\n")
    assert cut == b"x" * 10 + b" [attune] cut: the line has 30 bytes, 10 are allowed"
    assert after == b"short"


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [Schedule().pause_seconds(failures) for failures in (1, 2, 3, 4, 5, 6, 7, 8, 10**9)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_log_is_kept_in_four_files_that_stay_below_their_cap(tmp_path: Path) -> None:
    log = RotatedLog(tmp_path / "stdout.log", SystemClock(), cap_bytes=1000, secrets=["hunter22"])
    for number in range(200):
        log.write([f"line {number} hunter22".encode()])
    log.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == VERSIONS
    assert all(file.stat().st_size <= 1000 for file in files)
    text = "".join(file.read_text() for file in reversed(files))
    assert ("hunter22" in text, "line 199 ********" in text, "line 0 " in text) == (False, True, False)
