"""After `kill -9` of the process that ran a supervisor, the next one ends what is left of its runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.supervisor import Fate, kill_leftovers, processes, read_journal
from attune_cli.runtime.supervisor.journal import Identity
from tests.contract.supervisor_world import is_alive, marked_processes, pid_in, until
from tests.contract.test_supervisor_descendants import DAEMON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER = """
import sys, threading
from pathlib import Path
from tests.contract.supervisor_world import World
world = World(Path(sys.argv[1]))
world.spawn_shell(sys.argv[2])
threading.Event().wait()
"""

EXECUTION = "run-1"


@dataclass
class Remains:
    """What a killed owner left: its home, its journal, and the living processes by the name they gave."""

    home: Path
    pids: dict[str, int]

    @property
    def fate(self) -> Fate:
        return read_journal(self.home / "journal").get(EXECUTION, Fate())


@pytest.fixture
def remains(tmp_path: Path) -> Iterator[Remains]:
    """Run a leader with a child, a daemon, and a child that cleared its environment; then kill the owner."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "daemon.py").write_text(DAEMON)
    script = (
        f"{sys.executable} -I -S {tmp_path}/daemon.py {home}/daemon;"
        f" sleep 600 & echo $! > {home}/child; env -i sleep 600 & echo $! > {home}/cleared;"
        f" echo $$ > {home}/leader; wait"
    )
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(home), script])
    pids = {name: pid_in(home / name) for name in ("daemon", "child", "cleared", "leader")}
    found = Remains(home, pids)
    until(lambda: found.fate.leader is not None, "the leader in the journal")
    owner.kill()
    owner.wait()
    assert all(map(is_alive, pids.values()))
    yield found
    for pid in pids.values():
        processes.send(pid, signal.SIGKILL)


def test_everything_of_the_run_is_killed_and_counted(remains: Remains) -> None:
    assert remains.fate.end is None
    assert kill_leftovers(remains.fate.leader, EXECUTION, str(remains.home)) == 4
    assert not any(map(is_alive, remains.pids.values()))
    assert marked_processes(str(remains.home)) == []
    assert kill_leftovers(remains.fate.leader, EXECUTION, str(remains.home)) == 0


def test_without_a_known_leader_the_environment_tells_and_descent(remains: Remains) -> None:
    assert kill_leftovers(None, EXECUTION, str(remains.home)) == 4
    assert not any(map(is_alive, remains.pids.values()))


def test_when_the_leader_is_gone_its_session_is_known_by_the_brand(remains: Remains) -> None:
    identity = remains.fate.leader
    if identity is None or not identity.brand:
        pytest.skip("this system does not let a thread set its personality")
    processes.send(remains.pids["leader"], signal.SIGKILL)
    until(lambda: processes.stat(remains.pids["leader"]) is None, "the end of the leader")
    assert kill_leftovers(remains.fate.leader, EXECUTION, str(remains.home)) == 3
    assert not any(map(is_alive, remains.pids.values()))


def test_another_run_and_another_home_are_left_alone(remains: Remains, tmp_path: Path) -> None:
    assert kill_leftovers(None, "run-2", str(remains.home)) == 0
    assert kill_leftovers(None, EXECUTION, str(tmp_path)) == 0
    assert all(map(is_alive, remains.pids.values()))


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process in a session of its own that is neither our descendant nor our ancestor."""
    pid = int(subprocess.check_output(["/bin/sh", "-c", "setsid sleep 600 >/dev/null & echo $!"]))
    until(lambda: processes.session(pid) == pid, "its session")
    yield pid
    processes.send(pid, signal.SIGKILL)


@pytest.mark.parametrize("change", [{"boot_id": "another-boot"}, {"start_ticks": 1}])
def test_a_number_that_has_gone_round_is_somebody_elses(
    tmp_path: Path, stranger: int, change: dict[str, Any]
) -> None:
    about = processes.stat(stranger)
    assert about is not None
    boot_id = processes.boot_id()
    identity = Identity(pid=stranger, start_ticks=about.start_ticks, boot_id=boot_id, brand=0)
    assert kill_leftovers(replace(identity, **change), "7", str(tmp_path)) == 0
    assert is_alive(stranger)
    assert kill_leftovers(identity, "7", str(tmp_path)) == 1
    assert not is_alive(stranger)


INSIDE = """
import subprocess, sys
from attune_cli.runtime.supervisor import kill_leftovers
child = subprocess.Popen(["/bin/sleep", "600"])
print(kill_leftovers(None, "7", sys.argv[1]), child.poll())
child.kill()
"""


def test_a_command_inside_the_leftovers_spares_itself_its_ancestors_and_its_children(tmp_path: Path) -> None:
    script = 'sleep 600 & echo $! > "$0/sibling"; "$1" -c "$2" "$0"; echo survived'
    done = subprocess.run(
        ["/bin/sh", "-c", script, str(tmp_path), sys.executable, INSIDE],
        env={**os.environ, "ATTUNE_EXEC_ID": "7", "ATTUNE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "1 None\nsurvived\n"
    assert not is_alive(pid_in(tmp_path / "sibling"))
