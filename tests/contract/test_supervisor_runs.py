"""How a run starts, is fed, is stopped and is reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.supervisor import Fate, RunExit, Supervisor
from tests.contract.supervisor_world import World, is_alive, open_descriptors, output, pid_in, until, zombies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEBIBYTE = 1024 * 1024


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


def test_both_streams_and_the_exit_code_are_kept_and_reported(world: World) -> None:
    spawn, end = world.shell("echo out; echo err >&2; echo more >&2; exit 3")
    assert (end.run, end.why, end.exit_code, end.signal, end.error) == (spawn.run, "exited", 3, None, None)
    assert (output(spawn), output(spawn, "stderr")) == (b"out\n", b"err\nmore\n")
    assert (end.stdout.bytes, end.stdout.lines, end.stdout.dropped_bytes) == (4, 1, 0)
    assert (end.stderr.bytes, end.stderr.lines, end.stderr.dropped_bytes) == (9, 2, 0)
    assert end.started <= end.finished
    assert world.fate(spawn) == Fate(end=end)


def test_a_silent_run_leaves_nothing_but_its_lines_in_the_journal(world: World) -> None:
    spawn, end = world.run("/bin/true")
    assert end.exit_code == 0
    assert not spawn.folder.exists()
    assert world.journal.read_text().startswith(f"begin {spawn.run} .\nend {spawn.run} ")


def test_the_child_gets_exactly_its_environment_folder_and_session(world: World, tmp_path: Path) -> None:
    spawn, _ = world.shell(
        "env; pwd; ps -o sid= -p $$; echo $$", cwd=str(tmp_path), more_environment={"ONLY": "this"}
    )
    lines = output(spawn).decode().split()
    assert set(lines[:-3]) - {f"PWD={tmp_path}"} == {
        f"{name}={value}" for name, value in spawn.environment.items()
    }
    assert lines[-3] == str(tmp_path)
    assert lines[-2] == lines[-1]


def test_a_large_input_and_a_chatty_child_do_not_block_each_other(world: World) -> None:
    document = os.urandom(MEBIBYTE)
    spawn, end = world.shell(f"head -c {2 * MEBIBYTE} /dev/zero; tee /dev/stderr", stdin=document)
    assert end.exit_code == 0
    assert output(spawn) == bytes(2 * MEBIBYTE) + document
    assert output(spawn, "stderr") == document


def test_no_input_is_an_input_that_has_ended(world: World) -> None:
    spawn, end = world.run("/bin/cat")
    assert (end.exit_code, output(spawn)) == (0, b"")


@pytest.mark.parametrize("size", [10, 5 * MEBIBYTE])
def test_a_child_need_not_read_its_input(world: World, size: int) -> None:
    _, end = world.shell("exec <&-; sleep 0.1; exit 4", stdin=b"x" * size)
    assert (end.why, end.exit_code, end.error) == ("exited", 4, None)


def test_a_run_that_dies_of_a_signal_has_no_exit_code(world: World) -> None:
    _, end = world.shell("kill -USR1 $$")
    assert (end.why, end.exit_code, end.signal) == ("exited", None, 10)


def test_out_of_time_a_run_may_still_clean_up(world: World) -> None:
    spawn, end = world.shell(
        "trap 'echo bye; exit 7' TERM; while :; do sleep 0.01; done", timeout_seconds=0.2
    )
    assert (end.why, end.exit_code, output(spawn)) == ("timed_out", 7, b"bye\n")
    assert end.duration_ms >= 200


def test_out_of_time_and_deaf_to_term_a_run_is_killed_after_the_grace(world: World) -> None:
    spawn, end = world.shell(
        "trap 'echo heard' TERM; while :; do sleep 0.01; done", timeout_seconds=0.1, grace_seconds=0.3
    )
    assert (end.why, end.exit_code, end.signal) == ("timed_out", None, 9)
    assert output(spawn) == b"heard\n"
    assert end.duration_ms >= 400


def test_a_stopped_run_is_cancelled(world: World, tmp_path: Path) -> None:
    spawn = world.spawn_shell(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    pid_in(tmp_path / "pid")
    world.supervisor.stop(spawn.run)
    end = world.end(spawn)
    assert (end.why, end.exit_code, end.signal) == ("cancelled", None, 15)


def test_a_stop_right_after_the_spawn_is_not_lost(world: World) -> None:
    spawn = world.spawn("/bin/sleep", "60")
    world.supervisor.stop(spawn.run)
    assert world.end(spawn).why == "cancelled"


def test_a_second_stop_kills_at_once(world: World) -> None:
    spawn = world.spawn_shell(
        "trap 'echo heard' TERM; echo ready; while :; do sleep 0.01; done", grace_seconds=3600
    )
    until(lambda: output(spawn) == b"ready\n", "the trap")
    world.supervisor.stop(spawn.run)
    until(lambda: output(spawn) == b"ready\nheard\n", "TERM")
    world.supervisor.stop(spawn.run)
    assert (world.end(spawn).why, world.end(spawn).signal) == ("cancelled", 9)


def test_a_stop_without_grace_kills_at_once(world: World) -> None:
    spawn = world.spawn_shell("trap 'echo heard' TERM; echo ready; while :; do sleep 0.01; done")
    until(lambda: output(spawn) == b"ready\n", "the trap")
    world.supervisor.stop(spawn.run, grace_seconds=0)
    assert (world.end(spawn).signal, output(spawn)) == (9, b"ready\n")


@pytest.mark.parametrize("noticed", [False, True])
def test_a_run_that_ended_before_the_stop_arrived_stays_as_it_ended(
    world: World, tmp_path: Path, noticed: bool
) -> None:
    # The sleeper holds the streams, so the run is not over when its leader is.
    spawn = world.spawn_shell(f"sleep 60 & echo $$ > {tmp_path}/pid; exit 5")
    pid = pid_in(tmp_path / "pid")
    until(lambda: not is_alive(pid), "the end of the leader")
    if noticed:
        world.leader(spawn)
    world.supervisor.stop(spawn.run)
    assert (world.end(spawn).why, world.end(spawn).exit_code) == ("exited", 5)


def test_unknown_runs_are_not_known_and_not_stopped(world: World) -> None:
    world.supervisor.stop("nobody")
    spawn = world.spawn("/bin/sleep", "60")
    assert world.supervisor.knows(spawn.run)
    world.supervisor.stop(spawn.run)
    world.end(spawn)
    assert not world.supervisor.knows(spawn.run)
    assert not world.supervisor.knows("nobody")


def test_a_run_spawned_twice_runs_once_and_ends_once(world: World, tmp_path: Path) -> None:
    spawn = world.spawn_shell(f"echo once >> {tmp_path}/log; sleep 0.2")
    world.supervisor.spawn(spawn)
    assert world.end(spawn).exit_code == 0
    world.run("/bin/true")
    assert (tmp_path / "log").read_text() == "once\n"


def test_a_run_that_cannot_be_written_down_is_not_started(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.journal.mkdir()
        _, end = world.run("/bin/sh", "-c", f"echo ran > {tmp_path}/log")
    assert (end.why, end.error) == (
        "not_started",
        "that it begins cannot be written down: Is a directory",
    )
    assert not (tmp_path / "log").exists()


def test_a_run_whose_folder_cannot_be_made_ends_for_its_log(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _, end = world.run("/bin/echo", "hi", folder=tmp_path / "file" / "run")
    assert end.why == "log_failed"
    assert str(tmp_path / "file") in str(end.error)


def _script(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_what_cannot_be_started_is_named(world: World, tmp_path: Path) -> None:
    missing = str(tmp_path / "python9")
    orphan = _script(tmp_path / "orphan", "#!/no/such/interpreter -u\n")
    plain = _script(tmp_path / "plain", "echo hi\n", 0o644)
    shapeless = _script(tmp_path / "shapeless", "\x01\x02\x03")
    long = ("/bin/echo", *["x" * 100_000] * 40)
    for argv, changes, words in [
        ((missing,), {}, f"cannot start {missing}: there is no such file"),
        ((orphan,), {}, f"cannot start {orphan}: its interpreter /no/such/interpreter does not exist"),
        ((plain,), {}, f"cannot start {plain}: it may not be executed (Permission denied)"),
        ((shapeless,), {}, f"cannot start {shapeless}: it is neither a program nor a script"),
        (
            ("/bin/true",),
            {"cwd": "/no/folder"},
            "cannot start /bin/true: its working folder /no/folder cannot be",
        ),
        (long, {}, "cannot start /bin/echo: its arguments and environment are too long"),
        (("/bin/echo", "a\0b"), {}, "cannot start /bin/echo: embedded null byte"),
        ((), {}, "cannot start an empty command"),
    ]:
        spawn, end = world.run(*argv, **changes)
        assert (end.why, end.exit_code, end.signal) == ("not_started", None, None)
        assert str(end.error).startswith(words)
        assert world.fate(spawn) == Fate(end=end)


def test_two_hundred_runs_leave_no_zombie_and_no_descriptor(world: World) -> None:
    world.run("/bin/true")
    before = open_descriptors()
    spawns = [world.spawn_shell("echo $$; exit 1") for _ in range(200)]
    assert {world.end(spawn).exit_code for spawn in spawns} == {1}
    assert zombies() == []
    assert open_descriptors() == before


def test_close_kills_what_still_runs_and_reports_it(world: World) -> None:
    deaf = world.spawn_shell("trap '' TERM; echo ready; while :; do sleep 0.01; done")
    until(lambda: output(deaf) == b"ready\n", "the trap")
    world.supervisor.close()
    assert (world.ends[deaf.run].why, world.ends[deaf.run].signal) == ("cancelled", 9)
    assert zombies() == []
    with pytest.raises(RuntimeError, match="closed"):
        world.spawn("/bin/true")
    world.supervisor.stop(deaf.run)
    world.supervisor.close()


def test_a_supervisor_that_never_started_can_be_closed(tmp_path: Path) -> None:
    before = open_descriptors()
    supervisor = Supervisor(journal=tmp_path / "journal", clock=SystemClock(), report=print)
    supervisor.close()
    supervisor.close()
    assert open_descriptors() == before


def test_one_that_hears_of_its_end_before_it_is_rung_for_is_closed_all_the_same(tmp_path: Path) -> None:
    supervisor = Supervisor(journal=tmp_path / "journal", clock=SystemClock(), report=lambda _end: None)

    class TakenAtOnce(deque[Any]):
        def append(self, command: object) -> None:
            super().append(command)
            os.write(supervisor._wake_writer, b"\0")
            supervisor._thread.join(0.2)

    supervisor._commands = TakenAtOnce()
    supervisor.start()
    supervisor.close()
    assert not supervisor._thread.is_alive()


def test_a_listener_that_fails_does_not_stop_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)

    class Failing(World):
        def _report(self, run_exit: RunExit) -> None:
            super()._report(run_exit)
            raise LookupError(run_exit.run)

    with Failing(tmp_path) as world:
        assert [world.run("/bin/true")[1].exit_code for _ in range(2)] == [0, 0]
    assert [args.exc_type for args in shown] == [LookupError, LookupError]


def test_a_listener_may_spawn_the_next_run(tmp_path: Path) -> None:
    class Chain(World):
        def _report(self, run_exit: RunExit) -> None:
            if len(self.ends) < 9:
                self.spawn("/bin/true")
            super()._report(run_exit)

    with Chain(tmp_path) as world:
        world.spawn("/bin/true")
        until(lambda: len(world.ends) == 10, "ten runs")


@pytest.mark.parametrize("missing", [["pidfd_open"], ["pidfd_open", "waitid", "splice"]])
def test_where_the_system_tells_less_the_end_is_still_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: list[str]
) -> None:
    for name in missing:
        monkeypatch.delattr(os, name)
    with World(tmp_path) as world:
        _, held = world.shell("sleep 60 & exit 6")
        _, killed = world.shell("exec sleep 60", timeout_seconds=0.1)
        _, talkative = world.shell("head -c 3000000 /dev/zero", stdout_cap_bytes=1000)
    assert (held.exit_code, killed.signal, talkative.stdout.dropped_bytes) == (6, 15, 3000000 - 872)
    assert zombies() == []


LOG_FAILS = """
import json, resource, signal, sys
from pathlib import Path
from tests.contract.supervisor_world import World
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
with World(Path(sys.argv[1])) as world:
    spawn, end = world.shell("trap 'exit 3' TERM; while :; do cat /dev/zero | head -c 500000; done")
    after, fine = world.shell("echo fine")
    late, short = world.shell("head -c 300000 /dev/zero")
print(json.dumps([end.why, end.error, end.stdout.bytes, end.stdout.dropped_bytes > 0, fine.exit_code, short.why]))
"""


def test_a_log_that_cannot_be_written_ends_its_run_and_no_other(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOG_FAILS, str(tmp_path)],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    why, error, kept, dropped, next_exit_code, short = json.loads(done.stdout)
    assert (why, error) == ("log_failed", f"cannot write {tmp_path}/run-1/stdout: File too large")
    assert (kept, dropped, next_exit_code, short) == (200_000, True, 0, "log_failed")
