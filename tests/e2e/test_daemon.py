"""Stories of the daemon: one for each home, what it runs outlives it, and the next one takes over."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.daemon_story import daemon_of, is_ready, serving, started, supervisors
from tests.e2e.story import Attune, show, until

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_a_script_starts_the_daemon_where_none_runs_and_ends_it(run: Run, home: Home) -> None:
    assert run("status", "-qq").exit_code == 6
    started = run("up", "-d", "--port", "0", "-j")
    assert started.exit_code == 0, started.stderr
    told = json.loads(started.stdout)
    assert (told["running"], told["ready"], told["home"]) == (True, True, str(home.path))
    assert run("status", "-qq").exit_code == 0
    assert run("status", "--wait-ready", "5s", "--field", "pid").stdout == f"{told['pid']}\n"
    ended = run("down", "-j")
    assert (ended.exit_code, json.loads(ended.stdout)["stopped"]) == (0, told["pid"])
    assert run("status", "-qq").exit_code == 6
    assert run("down").exit_code == 6


def test_a_second_daemon_is_refused_and_the_first_goes_on(run: Run, home: Home) -> None:
    with serving(home) as first:
        with Attune("serve", "--port", "0") as second:
            code, _, err = second.end()
        assert code == 5
        assert f"a daemon runs already for {home.path} (process {first.process.pid})" in err
        refused = run("up", "-d")
        assert (refused.exit_code, "attune status" in refused.stderr) == (5, True)
        assert is_ready(home, first)


def test_a_run_is_handed_to_the_daemon_and_looks_as_if_it_ran_here(run: Run, home: Home) -> None:
    with serving(home):
        ran = run("run", "action", "core.echo", "message=hi")
        assert (ran.exit_code, ran.stdout) == (0, "hi\n")
        assert show(run, "1")["timeline"][-1]["host"] == daemon_of(home).host
        failed = run("run", "core.http_request", "url=http://127.0.0.1:1/")
        assert failed.exit_code == 1
        here = run("run", "core.echo", "message=here", "--engine", "here")
        assert here.exit_code == 0
        assert show(run, "3")["timeline"][-1]["host"] != daemon_of(home).host
        detached = run("run", "core.echo", "message=later", "--detach", "-q")
        assert detached.stdout == "4\n"
        assert run("execution", "wait", "4").exit_code == 0
    assert run("run", "core.echo", "message=x", "--engine", "daemon").exit_code == 6


def test_interrupting_a_handed_over_run_cancels_it(run: Run, home: Home) -> None:
    with serving(home), Attune("run", "core.sleep", "seconds:=60") as command:
        until(lambda: show(run, "@last")["status"] == "running" if _any(run) else False, "the run")
        command.signal(signal.SIGINT)
        assert command.end()[0] == 130
        assert show(run, "1")["status"] == "cancelled"


def _any(run: Run) -> bool:
    return bool(json.loads(run("execution", "list", "-j").stdout))


def test_a_killed_daemon_costs_a_run_nothing(run: Run, home: Home, slow: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serving(home) as first:
        started(run, slow, gate)
        first.signal(signal.SIGKILL)
        first.end()
    assert show(run, "1")["status"] == "running"
    with serving(home):
        assert show(run, "1")["status"] == "running"
        gate.touch()
        assert run("execution", "wait", "1").exit_code == 0
    shown = show(run, "1")
    assert [step["to"] for step in shown["timeline"]] == ["requested", "running", "completed"]
    assert run("execution", "logs", "1").stdout == "begun\nended\n"


def test_a_cancel_while_no_daemon_lives_says_who_carries_it_out(
    run: Run, home: Home, slow: str, tmp_path: Path
) -> None:
    with serving(home) as first:
        started(run, slow, tmp_path / "never")
        first.signal(signal.SIGKILL)
    told = run("execution", "cancel", "1")
    assert (told.exit_code, "canceling" in told.stdout) == (0, True)
    assert "execution 1 goes on without the daemon that began it" in told.stderr
    with serving(home):
        assert run("execution", "wait", "1").exit_code == 130


def test_a_run_that_ends_while_no_daemon_lives_is_known_to_the_next_command(
    run: Run, home: Home, slow: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with serving(home) as first:
        started(run, slow, gate)
        first.signal(signal.SIGKILL)
        first.end()
    gate.touch()
    assert run("execution", "wait", "1").exit_code == 0
    assert run("execution", "logs", "1").stdout == "begun\nended\n"


def test_down_leaves_runs_to_the_next_daemon_and_says_so(
    run: Run, home: Home, slow: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with serving(home) as first:
        started(run, slow, gate)
        ended = run("down", "-j")
        assert json.loads(ended.stdout)["running"] == 1
        assert "the next daemon takes over" in ended.stderr
        assert first.end()[0] == 143
    with serving(home):
        gate.touch()
        assert run("execution", "wait", "1").exit_code == 0
    assert run("execution", "logs", "1").stdout == "begun\nended\n"


def test_draining_starts_nothing_more_and_waits_for_what_runs(
    run: Run, home: Home, slow: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with serving(home) as daemon:
        started(run, slow, gate)
        assert run("engine", "drain", "--timeout", "0.2s").exit_code == 8
        assert json.loads(run("status", "-j").stdout)["draining"] is True
        kept = run("run", "core.echo", "message=wait", "--detach", "--queue-offline", "-q")
        assert kept.exit_code == 0
        assert run("down", "--drain", "0.2s").exit_code == 8
        gate.touch()
        assert run("down", "--drain", "20s").exit_code == 0
        assert daemon.end()[0] == 143
    assert show(run, "1")["status"] == "completed"
    assert show(run, "2")["status"] == "requested"


def test_down_can_cancel_what_runs(run: Run, home: Home, slow: str, tmp_path: Path) -> None:
    with serving(home):
        started(run, slow, tmp_path / "never")
        assert run("down", "--cancel-running").exit_code == 0
    assert show(run, "1")["status"] == "cancelled"


def test_a_reload_reads_the_settings_and_keeps_what_runs(
    run: Run, home: Home, slow: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with serving(home):
        started(run, slow, gate)
        before = daemon_of(home)
        assert run("engine", "reload").exit_code == 0
        after = daemon_of(home)
        assert (after.pid, after.host != before.host) == (before.pid, True)
        gate.touch()
        assert run("execution", "wait", "1").exit_code == 0
    assert run("execution", "logs", "1").stdout == "begun\nended\n"


def test_a_daemon_whose_database_is_moved_away_ends_and_says_why(run: Run, home: Home) -> None:
    with serving(home) as daemon:
        home.database.rename(home.path / "elsewhere.db")
        code, _, err = daemon.end()
    assert code == 6
    assert "was moved away or replaced under the running daemon" in err
    assert "moved away" in run("engine", "logs", "--level", "error").stdout


def test_where_a_database_was_moved_away_no_other_is_begun_until_it_is_back(
    run: Run, home: Home, tmp_path: Path
) -> None:
    assert run("run", "core.noop").exit_code == 0
    assert run("db", "backup", str(tmp_path / "before.db")).exit_code == 0
    with serving(home) as daemon:
        assert run("run", "core.noop").exit_code == 0
        home.database.rename(home.path / "elsewhere.db")
        assert daemon.end()[0] == 6
    for words in ("up -d --no-http", "run core.noop", "execution list", "status", "db info"):
        refused = run(*words.split())
        assert (refused.exit_code, f"the database {home.database} is gone" in refused.stderr) == (6, True)
    assert not home.database.exists()
    (home.path / "elsewhere.db").rename(home.database)
    with serving(home):
        assert run("execution", "list", "-q").stdout == "2\n1\n"
    home.database.unlink()
    (home.path / "attune.db-wal").write_bytes(b"of another")
    assert run("doctor").exit_code == 1
    assert run("db", "restore", str(tmp_path / "before.db"), "-y").exit_code == 0
    assert run("execution", "list", "-q").stdout == "1\n"


def test_a_killed_supervisor_loses_its_runs_and_the_daemon_goes_on(
    run: Run, home: Home, slow: str, tmp_path: Path
) -> None:
    with serving(home):
        started(run, slow, tmp_path / "never")
        [supervisor] = supervisors(home)
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: show(run, "1")["status"] == "abandoned", "the end of the lost run")
        assert run("run", "core.echo", "message=on we go").stdout == "on we go\n"


def test_a_backup_is_not_brought_back_under_a_daemon_nor_under_what_it_began(
    run: Run, home: Home, slow: str, tmp_path: Path
) -> None:
    assert run("db", "backup", str(tmp_path / "copy.db")).exit_code == 0
    restore = ("db", "restore", str(tmp_path / "copy.db"), "--yes")
    with serving(home) as daemon:
        started(run, slow, tmp_path / "gate")
        assert run(*restore).exit_code == 5
        daemon.signal(signal.SIGKILL)
    refused = run(*restore)
    assert (refused.exit_code, "still runs" in refused.stderr) == (5, True)
    assert run("up", "-d", "--no-http").exit_code == 0
    assert run("down", "--cancel-running").exit_code == 0
    assert run(*restore).exit_code == 0
