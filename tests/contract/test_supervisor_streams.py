"""What becomes of a run's output: kept as bytes, capped, counted, masked, in order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.supervisor import read_index
from tests.contract.supervisor_process_world import ProcessWorld
from tests.contract.supervisor_world import World, output, until

if TYPE_CHECKING:
    from collections.abc import Iterator

MEBIBYTE = 1024 * 1024


@pytest.fixture(params=[World, ProcessWorld], ids=["thread", "process"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    with request.param(tmp_path) as world:
        yield world


def resident_peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_fifty_megabytes_are_capped_marked_and_counted(world: World) -> None:
    total = 50 * MEBIBYTE
    spawn, end = world.shell(f"yes | head -c {total}")
    kept = 10 * MEBIBYTE - 128
    assert (end.why, end.exit_code) == ("exited", 0)
    assert (end.stdout.bytes, end.stdout.lines, end.stdout.dropped_bytes) == (kept, kept // 2, total - kept)
    text = output(spawn)
    assert text == b"y\n" * (kept // 2) + b"\n[OUTPUT TRUNCATED: stdout exceeded size limit]\n"
    assert len(text) <= 10 * MEBIBYTE


def test_each_stream_has_its_own_cap_and_marker(world: World) -> None:
    spawn, end = world.shell("head -c 9000 /dev/zero >&2; echo fine", stderr_cap_bytes=1128)
    assert output(spawn) == b"fine\n"
    assert output(spawn, "stderr") == bytes(1000) + b"\n\n[OUTPUT TRUNCATED: stderr exceeded size limit]\n"
    assert (end.stdout.dropped_bytes, end.stderr.dropped_bytes) == (0, 8000)


def test_a_line_of_a_hundred_megabytes_does_no_harm(world: World) -> None:
    world.run("/bin/true")
    before = resident_peak_bytes()
    spawn, end = world.shell(f"head -c {100 * MEBIBYTE} /dev/zero | tr '\\0' x")
    kept = 10 * MEBIBYTE - 128
    assert (end.stdout.bytes, end.stdout.lines) == (kept, 1)
    assert end.stdout.dropped_bytes == 100 * MEBIBYTE - kept
    assert resident_peak_bytes() - before < 20 * MEBIBYTE
    assert Path(spawn.folder, "stdout").stat().st_size <= 10 * MEBIBYTE


def test_binary_output_is_kept_as_bytes(world: World, tmp_path: Path) -> None:
    noise = os.urandom(300_000) + b"\xff\xfe\x00\r\n\x1b[31m"
    (tmp_path / "noise").write_bytes(noise)
    spawn, end = world.shell(f"cat {tmp_path}/noise")
    assert output(spawn) == noise
    assert end.stdout.bytes == len(noise)


def test_a_capped_run_is_neither_blocked_nor_killed(world: World, tmp_path: Path) -> None:
    _, end = world.shell(f"head -c 5000000 /dev/zero; echo end > {tmp_path}/end", stdout_cap_bytes=0)
    assert (end.exit_code, end.stdout.bytes, end.stdout.dropped_bytes) == (0, 0, 5_000_000)
    assert (tmp_path / "end").exists()


def test_a_prompt_without_a_line_end_appears_at_once(world: World) -> None:
    spawn = world.spawn_shell("printf 'password: '; exec sleep 60", secrets=(b"hunter22",))
    until(lambda: output(spawn) == b"password: ", "the prompt")
    world.supervisor.stop(spawn.run)
    world.end(spawn)


def test_secrets_are_masked_in_both_streams_however_they_arrive(world: World) -> None:
    spawn, end = world.shell(
        "printf 'a hun'; sleep 0.03; printf 'ter22 b hunt'; printf 'hunter22' >&2; sleep 0.03; printf er",
        secrets=(b"hunter22", b"abc"),
    )
    assert output(spawn) == b"a ******** b hunter"
    assert output(spawn, "stderr") == b"********"
    assert (end.stdout.bytes, end.stdout.dropped_bytes) == (19, 0)


def test_a_secret_across_the_cap_is_not_shown_in_part(world: World) -> None:
    spawn, _ = world.shell("printf 'xxxxhunter22yyyy'", secrets=(b"hunter22",), stdout_cap_bytes=128 + 6)
    assert b"hunt" not in output(spawn)


def test_the_index_tells_the_order_of_both_streams(world: World) -> None:
    spawn, end = world.shell("echo one; sleep 0.03; echo two >&2; sleep 0.03; echo three")
    chunks = read_index(spawn.folder)
    assert [(chunk.stream, chunk.offset, chunk.length) for chunk in chunks] == [
        (1, 0, 4),
        (2, 0, 4),
        (1, 4, 6),
    ]
    times = [chunk.time for chunk in chunks]
    assert times == sorted(times)
    assert end.started <= times[0]
    assert times[-1] <= end.finished


def test_ten_runs_write_at_once_and_none_waits_for_another(world: World) -> None:
    endless = world.spawn_shell("exec yes", stdout_cap_bytes=1000)
    spawns = [
        world.spawn_shell(f"for i in 1 2 3; do echo {number}; sleep 0.01; done") for number in range(10)
    ]
    for number, spawn in enumerate(spawns):
        assert world.end(spawn).exit_code == 0
        assert output(spawn) == f"{number}\n".encode() * 3
    world.supervisor.stop(endless.run)
    assert world.end(endless).stdout.dropped_bytes > 0
