"""Everything that a run started ends with it, wherever it went; and nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.supervisor import orphans, processes
from tests.contract.supervisor_world import World, is_alive, marked_processes, output, pid_in, until, zombies

if TYPE_CHECKING:
    from collections.abc import Iterator

DAEMON = """
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for descriptor in range(3): os.close(descriptor)
path = sys.argv[1]
with open(path + ".new", "w") as file: file.write(f"{os.getpid()}\\n")
os.rename(path + ".new", path)
environment = {} if len(sys.argv) > 2 else os.environ
os.execve("/bin/sleep", ["sleep", "600"], environment)
"""
"""Leaves its parent, group and session, closes its streams and tells its pid; with a second argument, clears its
environment too."""

UNBRANDED = "this system does not let a thread set its personality"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world
    assert marked_processes(world.home) == []
    if orphans.brand():
        assert zombies() == []


@pytest.fixture
def daemon(tmp_path: Path) -> str:
    (tmp_path / "daemon.py").write_text(DAEMON)
    return f"{sys.executable} -I -S {tmp_path}/daemon.py"


def wait_for(path: Path) -> str:
    return f"while [ ! -s {path} ]; do sleep 0.01; done"


def test_a_grandchild_that_holds_the_streams_does_not_hold_the_run(world: World, tmp_path: Path) -> None:
    _, end = world.shell(f"sleep 600 & echo $! > {tmp_path}/pid; exit 3")
    assert (end.why, end.exit_code) == ("exited", 3)
    assert not is_alive(pid_in(tmp_path / "pid"))


def test_what_a_process_substitution_still_writes_is_kept(world: World) -> None:
    spawn, end = world.run("/bin/bash", "-c", "exec > >(sleep 0.05; tee /dev/null); echo first; echo last")
    assert (end.exit_code, output(spawn)) == (0, b"first\nlast\n")


def test_a_daemon_in_a_session_of_its_own_is_killed(world: World, tmp_path: Path, daemon: str) -> None:
    pid = tmp_path / "pid"
    _, end = world.shell(f"{daemon} {pid}; {wait_for(pid)}; exit 3")
    assert (end.why, end.exit_code) == ("exited", 3)
    assert not is_alive(pid_in(pid))


def test_a_daemon_without_environment_ends_with_the_last_run_and_not_before(
    world: World, tmp_path: Path, daemon: str
) -> None:
    pid = tmp_path / "pid"
    other = world.spawn("/bin/sleep", "600")
    _, end = world.shell(f"{daemon} {pid} cleared; {wait_for(pid)}")
    assert end.exit_code == 0
    assert is_alive(pid_in(pid))
    if not orphans.brand():
        pytest.skip(UNBRANDED)
    world.supervisor.stop(other.run)
    world.end(other)
    assert not is_alive(pid_in(pid))


def test_the_daemon_of_a_run_that_goes_on_is_left_alone(world: World, tmp_path: Path, daemon: str) -> None:
    pid = tmp_path / "pid"
    keeper = world.spawn_shell(f"{daemon} {pid}; exec sleep 600")
    alive = pid_in(pid)
    for _ in range(3):
        world.shell("sleep 600 & exit 0")
    assert is_alive(alive)
    world.supervisor.stop(keeper.run)
    world.end(keeper)
    assert not is_alive(alive)


def test_what_left_the_group_gets_its_term_too(world: World, tmp_path: Path) -> None:
    script = f"trap 'echo heard > {tmp_path}/heard; exit' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.01; done"
    spawn = world.spawn_shell(
        f'setsid sh -c "$SCRIPT" & wait; {wait_for(tmp_path / "heard")}', more_environment={"SCRIPT": script}
    )
    pid_in(tmp_path / "pid")
    world.supervisor.stop(spawn.run)
    assert world.end(spawn).why == "cancelled"
    assert (tmp_path / "heard").read_text() == "heard\n"


CLEANS_UP = "trap 'sleep 0.8; echo clean; exit' TERM; echo ready; while :; do sleep 0.01; done"


def test_a_child_of_a_stopped_leader_has_the_whole_grace_to_clean_up(world: World) -> None:
    spawn = world.spawn("/bin/sh", "-c", 'sh -c "$0"; true', CLEANS_UP)
    until(lambda: output(spawn) == b"ready\n", "the trap")
    world.supervisor.stop(spawn.run)
    assert (world.end(spawn).why, world.end(spawn).signal) == ("cancelled", signal.SIGTERM)
    assert output(spawn) == b"ready\nclean\n"


def test_a_second_stop_ends_that_grace(world: World) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.01; done"
    spawn = world.spawn("/bin/sh", "-c", 'sh -c "$0"; true', script, grace_seconds=3600)
    until(lambda: output(spawn) == b"ready\n", "the trap")
    leader = world.leader(spawn)
    world.supervisor.stop(spawn.run)
    until(lambda: not is_alive(leader), "the end of the leader")
    world.supervisor.stop(spawn.run)
    assert world.end(spawn).signal == signal.SIGTERM


def test_children_of_what_is_killed_go_too_when_nothing_marks_them(world: World, tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/pid; while :; do sleep 0.01; done"
    other = world.spawn("/bin/sleep", "600")
    spawn = world.spawn(
        "/bin/sh", "-c", 'trap "" TERM; env -i setsid sh -c "$0" & wait', script, grace_seconds=0.05
    )
    pid = pid_in(tmp_path / "pid")
    world.supervisor.stop(spawn.run)
    assert world.end(spawn).signal == signal.SIGKILL
    assert not is_alive(pid)
    assert world.supervisor.knows(other.run)
    world.supervisor.stop(other.run)
    world.end(other)


def test_orphans_that_end_by_themselves_are_reaped_while_their_run_goes_on(world: World) -> None:
    spawn = world.spawn_shell("for i in 1 2 3 4 5; do (setsid true &) ; done; echo done; exec sleep 600")
    until(lambda: output(spawn) == b"done\n", "the orphans")
    if not orphans.brand():
        pytest.skip(UNBRANDED)
    until(lambda: zombies() == [], "their reaping")
    world.supervisor.stop(spawn.run)
    world.end(spawn)


def test_a_crowd_of_descendants_is_swept(world: World) -> None:
    spawn, end = world.shell(
        "for i in 1 2 3 4 5 6 7 8 9 10; do (setsid sh -c 'sleep 600 & wait' &) ; done; sleep 0.1"
    )
    assert end.error is None
    assert marked_processes(spawn.environment["ATTUNE_HOME"]) == []


def test_children_that_others_started_are_neither_killed_nor_reaped(world: World) -> None:
    """In our session or in one of its own, alive or dead, with the marks of an outer run or without."""
    marked = {"PATH": os.environ["PATH"], "ATTUNE_EXEC_ID": "outer", "ATTUNE_HOME": world.home + "/outer"}
    living = [
        subprocess.Popen(["/bin/sleep", "600"], start_new_session=own_session, env=environment)
        for own_session in (True, False)
        for environment in (None, marked)
    ]
    dead = [
        subprocess.Popen(["/bin/sh", "-c", "exit 9"], start_new_session=own_session)
        for own_session in (True, False)
    ]
    until(lambda: all(_state(child.pid) == "Z" for child in dead), "the end of the short ones")
    world.shell("(setsid sleep 600 &); (setsid true &); sleep 600 & exit 0")
    world.supervisor.close()
    assert [child.poll() for child in living] == [None] * 4
    assert [child.wait() for child in dead] == [9, 9]
    for child in living:
        child.kill()
        child.wait()


def _state(pid: int) -> str:
    about = processes.stat(pid)
    return "" if about is None else about.state


NESTED = """
import sys, threading
from pathlib import Path
from tests.contract.supervisor_world import World
world = World(Path(sys.argv[1]))
world.spawn_shell(sys.argv[2])
threading.Event().wait()
"""


def test_the_runs_of_an_engine_inside_a_run_end_with_it(world: World, tmp_path: Path, daemon: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    script = (
        f"{daemon} {inner}/daemon; {daemon} {inner}/cleared cleared; echo $$ > {inner}/leader; exec sleep 600"
    )
    spawn = world.spawn(sys.executable, "-c", NESTED, str(inner), script, cwd=str(Path.cwd()))
    pids = [pid_in(inner / name) for name in ("daemon", "cleared", "leader")]
    assert all(map(is_alive, pids))
    world.supervisor.stop(spawn.run, grace_seconds=0)
    world.end(spawn)
    assert not any(map(is_alive, pids))


INNER_WITH_A_CHILD = """
import subprocess, sys
from pathlib import Path
from tests.contract.supervisor_world import World
child = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
home = Path(sys.argv[1])
home.mkdir()
with World(home) as world:
    _, end = world.shell("exit 5")
print(end.exit_code, child.poll())
child.kill()
child.wait()
"""


def test_an_engine_inside_a_run_spares_the_other_children_of_its_process(
    world: World, tmp_path: Path
) -> None:
    spawn, end = world.run(sys.executable, "-c", INNER_WITH_A_CHILD, str(tmp_path / "i"), cwd=str(Path.cwd()))
    assert (end.exit_code, output(spawn), output(spawn, "stderr")) == (0, b"5 None\n", b"")


def test_a_stranger_who_holds_a_stream_does_not_hold_the_run(world: World, tmp_path: Path) -> None:
    spawn = world.spawn_shell(
        f"printf hunter; echo $$ > {tmp_path}/pid; exec sleep 600", secrets=(b"hunter22",)
    )
    held = Path(f"/proc/{pid_in(tmp_path / 'pid')}/fd/1").open("wb", buffering=0)  # noqa: SIM115  # outlives the run
    world.supervisor.stop(spawn.run, grace_seconds=0)
    assert world.end(spawn).why == "cancelled"
    assert output(spawn) == b"hunter"
    held.close()


def test_where_there_are_no_subreapers_a_run_ends_with_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "elsewhere")
    with World(tmp_path) as world:
        _, end = world.shell(f"sleep 600 & echo $! > {tmp_path}/pid; exit 3")
    assert end.exit_code == 3
    pid = pid_in(tmp_path / "pid")
    until(lambda: not is_alive(pid), "the end of the grandchild")


def test_two_supervisors_in_one_process_keep_to_their_own(world: World, tmp_path: Path, daemon: str) -> None:
    (tmp_path / "second").mkdir()
    world.run("/bin/true")
    pid = tmp_path / "pid"
    keeper = world.spawn_shell(f"{daemon} {pid} {'cleared' if orphans.brand() else ''}; exec sleep 600")
    alive = pid_in(pid)
    with World(tmp_path / "second") as second:
        second.shell("(setsid sleep 600 &); exit 0")
    assert is_alive(alive)
    world.supervisor.stop(keeper.run)
    world.end(keeper)
    assert not is_alive(alive)


def test_a_closed_supervisor_no_longer_draws_orphans_to_this_process(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.run("/bin/true")
    parent = subprocess.check_output(
        ["/bin/sh", "-c", "(sh -c 'sleep 0.1; ps -o ppid= -p $$' & )"], text=True
    )
    assert int(parent) != os.getpid()
