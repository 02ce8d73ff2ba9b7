"""Stories of the daemon and what is around it: kills, service managers, containers, homes that cannot be used."""

from __future__ import annotations

import json
import os
import plistlib
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.engine.lease import read_lease
from attune_cli.runtime.supervisor import processes
from tests.e2e.daemon_story import daemon_of, serving, supervisors
from tests.e2e.story import Attune, processes_with, show, unique_seconds, until

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")

RUNS = 10


@pytest.mark.usefixtures("slow")
def test_ten_runs_survive_a_daemon_that_is_killed_again_and_again(
    run: Run, home: Home, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    numbers = [str(number) for number in range(1, RUNS + 1)]
    with serving(home) as daemon:
        for _ in numbers:
            assert run("run", "slow.count", f"file={gate}", "--detach", "-q").exit_code == 0
        until(lambda: all_run(run), "ten runs")
        daemon.signal(signal.SIGKILL)
    for _ in range(2):
        with serving(home) as daemon:
            assert all_run(run)
            daemon.signal(signal.SIGKILL)
    with serving(home):
        assert all_run(run)
        gate.touch()
        assert run("execution", "wait", *numbers).exit_code == 0
    for number in numbers:
        *counted, last = run("execution", "logs", number).stdout.splitlines()
        assert counted == [str(count) for count in range(1, len(counted) + 1)]
        assert last == "ended"
    for number in numbers:
        timeline = show(run, number)["timeline"]
        assert [step["to"] for step in timeline] == ["requested", "running", "completed"]


def all_run(run: Run) -> bool:
    return len(json.loads(run("execution", "list", "-s", "running", "-j").stdout)) == RUNS


@pytest.mark.usefixtures("slow")
def test_a_run_that_no_execution_of_the_database_claims_is_ended(
    run: Run, home: Home, tmp_path: Path
) -> None:
    assert run("db", "backup", str(tmp_path / "before.db")).exit_code == 0
    with serving(home) as daemon:
        assert run("run", "core.sleep", "seconds:=600", "--detach", "-q").exit_code == 0
        until(lambda: show(run, "1")["status"] == "running", "the run")
        daemon.signal(signal.SIGKILL)
    [supervisor] = supervisors(home)
    until(lambda: children(supervisor), "its process")
    for file in home.path.glob("attune.db*"):
        file.unlink()
    shutil.copyfile(tmp_path / "before.db", home.database)
    with serving(home):
        until(lambda: not children(supervisor), "the end of the run")
        assert json.loads(run("execution", "list", "-j").stdout) == []


def test_what_a_host_leaves_that_dies_beside_the_daemon_is_settled_without_a_further_command(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_SLOTS", "1")
    seconds = unique_seconds()
    with serving(home), Attune("run", "exec", "--", "sleep", seconds) as beside:
        until(lambda: processes_with(seconds), "the run beside the daemon")
        assert run("run", "core.echo", "message=hi", "--detach", "-q").exit_code == 0
        beside.signal(signal.SIGKILL)
        beside.end()
        until(lambda: _statuses(home) == ["abandoned", "completed"], "the run that waited for the slot")
    assert not processes_with(seconds)


def _statuses(home: Home) -> list[str]:
    """Look at the executions as no command does: each would settle what is left."""
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT status FROM execution ORDER BY id")]


def test_a_service_manager_is_told_when_the_daemon_is_ready_lives_and_stops(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(30)
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        with serving(home) as daemon:
            assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
            daemon.signal(signal.SIGTERM)
            while (told := manager.recv(100)) == b"WATCHDOG=1":
                pass
            assert told == b"STOPPING=1"
            assert daemon.end()[0] == 143


def test_the_log_is_json_lines_for_machines(home: Home) -> None:
    with Attune("serve", "--log-format", "json", "--no-http") as daemon:
        until(lambda: (note := read_lease(home.path)) is not None and note.is_ready, "the daemon")
        daemon.signal(signal.SIGTERM)
        code, out, err = daemon.end()
    assert (code, out) == (143, "")
    told = [json.loads(line) for line in err.splitlines()]
    assert [(one["level"], one["part"], one["message"]) for one in told] == [
        ("info", "daemon", "ready"),
        ("info", "daemon", "stopped"),
    ]


def test_as_process_1_the_daemon_reaps_and_ends_as_it_is_told(run: Run, home: Home) -> None:
    words = ["unshare", "--pid", "--fork", "--mount-proc"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*words, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no namespaces may be made here")
    orphan = "import os, time; os.fork() or os.execlp('sh', 'sh', '-c', 'sleep 0.1 & exit 0'); time.sleep(60)"
    script = f"""
        {sys.executable} -c {shlex.quote(orphan)} &
        exec {sys.executable} -m attune_cli serve --no-http --log-format none
    """
    with subprocess.Popen([*words, "sh", "-c", script]) as outside:
        until(lambda: (note := read_lease(home.path)) is not None and note.is_ready, "the daemon")
        assert daemon_of(home).pid != 1
        [first] = children(outside.pid)
        until(lambda: not [pid for pid in children(first) if state(pid) == "Z"], "the reaping of orphans")
        assert run("run", "core.echo", "message=from within", "--engine", "daemon").stdout == "from within\n"
        refused = run("down")
        assert (refused.exit_code, "another container" in refused.stderr) == (6, True)
        os.kill(first, signal.SIGTERM)
        assert outside.wait(30) == 143
    assert read_lease(home.path) is None


def children(pid: int) -> list[int]:
    return [one for one, about in processes.everything().items() if about.parent == pid]


def state(pid: int) -> str:
    about = processes.stat(pid)
    return "" if about is None else about.state


def test_a_home_that_cannot_be_used_is_told_by_up_in_the_words_of_the_daemon(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    refused = run("--home", str(tmp_path / "file"), "up", "-d")
    assert refused.exit_code == 6
    assert f"the home {tmp_path}/file cannot be used: File exists" in refused.stderr


def test_a_supervisor_that_cannot_begin_ends_the_daemon_with_the_reason(run: Run, home: Home) -> None:
    assert run("run", "core.noop").exit_code == 0
    (home.path / "supervisor.log").mkdir()
    refused = run("up", "-d", "--no-http")
    assert refused.exit_code == 6
    assert (
        "the supervisor, which runs the daemon's processes, cannot be had: Is a directory" in refused.stderr
    )
    assert read_lease(home.path) is None
    assert supervisors(home) == []


def test_a_unit_names_the_home_in_the_words_of_systemd_and_is_written_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    odd = tmp_path / "a b%c$d"
    words = ("--home", str(odd), "engine", "install", "--systemd", "--user", "--write")
    assert run(*words).exit_code == 0
    unit = (tmp_path / ".config/systemd/user/attune.service").read_text()
    assert f"--home '{tmp_path}/a b%%c$$d' serve" in unit
    assert "WantedBy=default.target" in unit
    assert not odd.exists()
    assert run(*words).exit_code == 0
    other = run("engine", "install", "--systemd", "--user", "--write")
    assert (other.exit_code, "is there already" in other.stderr) == (5, True)
    assert (
        plistlib.loads(run("engine", "install", "--launchd").stdout.encode())["AbandonProcessGroup"] is True
    )
    assert run("engine", "install").exit_code == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_a_unit_of_the_machine_runs_as_the_owner_of_the_home_and_the_attune_that_was_asked(
    run: Run, home: Home, tmp_path: Path
) -> None:
    def printed(*words: str) -> str:
        return run(*words, "engine", "install", "--systemd").stdout

    assert "User=" not in printed()
    assert "\nUser=nobody\n" in printed("--home", str(given(tmp_path / "garden") / "not yet" / "there"))
    assert (
        "User="
        not in run("--home", str(tmp_path / "garden"), "engine", "install", "--systemd", "--user").stdout
    )
    program = tmp_path / "bin" / "attune"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom attune_cli.__main__ import main\nmain()\n")
    program.chmod(0o755)
    unit = subprocess.run(
        [program, "engine", "install", "--systemd"], capture_output=True, text=True, check=True
    )
    assert f"ExecStart={program} " in unit.stdout
    assert not home.path.exists()


def given(folder: Path) -> Path:
    folder.mkdir()
    shutil.chown(folder, "nobody")
    return folder


def test_parts_that_do_not_exist_are_refused_before_anything_is_made(run: Run, home: Home) -> None:
    refused = run("serve", "--only", "timers,nonsense")
    assert (refused.exit_code, home.path.exists()) == (2, False)
    assert "not nonsense" in refused.stderr


def test_a_daemon_that_is_started_in_a_project_has_its_settings_from_anywhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "attune.toml").write_text("slots = 1\n")
    monkeypatch.chdir(project)
    monkeypatch.delenv("ATTUNE_HOME")
    assert run("up", "-d", "--no-http").exit_code == 0
    try:
        for words in (["core.sleep", "seconds:=60"], ["core.noop"]):
            assert run("run", *words, "--detach", "-q").exit_code == 0
        until(lambda: show(run, "1")["status"] == "running", "the first run")
        assert show(run, "2")["status"] == "requested"
        (project / "attune.toml").write_text("slots = 2\n")
        assert run("engine", "reload").exit_code == 0
        assert run("execution", "wait", "2").exit_code == 0
        (project / "attune.toml").write_text('slots = "many"\n')
        refused = run("engine", "reload")
        assert (refused.exit_code, "attune.toml:1" in refused.stderr) == (2, True)
        (project / "attune.toml").write_text("")
        assert run("status", "-qq").exit_code == 0
    finally:
        (project / "attune.toml").write_text("")
        assert run("down", "--cancel-running").exit_code == 0


def test_faults_of_the_settings_are_told_by_up_one_by_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_SLOTS", "none")
    monkeypatch.setenv("ATTUNE_PORT", "99999999")
    refused = run("up", "-d")
    assert refused.exit_code == 2
    assert ("ATTUNE_SLOTS" in refused.stderr, "ATTUNE_PORT" in refused.stderr) == (True, True)
