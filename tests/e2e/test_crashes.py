"""Stories of `kill -9`: the next command finds the truth, and nothing is left behind."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.demo_pack import install_demo
from tests.e2e.story import Attune, has_opened, processes_with, show, unique_seconds, until

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run


def test_the_next_command_settles_a_killed_run_and_nothing_of_it_is_left(run: Run, home: Home) -> None:
    seconds = unique_seconds()
    script = f"echo begun; (setsid sleep {seconds} &) ; sleep {seconds}"
    with Attune("run", "exec", "--", "sh", "-c", script) as attune:
        until(lambda: len(processes_with(seconds)) == 2, "the run and its daemon")
        until(lambda: run("execution", "logs", "1").stdout, "what it said, in its log")
        attune.signal(signal.SIGKILL)
        assert attune.end()[0] == -signal.SIGKILL
    listed = run("execution", "list", "-j")
    assert [(one["id"], one["status"]) for one in json.loads(listed.stdout)] == [(1, "abandoned")]
    until(lambda: not processes_with(seconds), "the end of what was left")
    shown = show(run, "1")
    assert shown["error"] == {
        "type": "abandoned", "message": "the engine that ran it died, and its end is not known",
    }  # fmt: skip
    assert [step["to"] for step in shown["timeline"]] == ["requested", "running", "abandoned"]
    assert run("execution", "logs", "1").stdout == "begun\n"
    assert run("execution", "wait", "1").exit_code == 1
    assert not [path for path in home.hosts.iterdir() if path.suffix in {".lock", ".sock", ".journal"}]
    assert run("run", "core.echo", "message=on we go").stdout == "on we go\n"


def test_an_allowed_retry_waits_for_somebody_and_wait_runs_it(run: Run, tmp_path: Path) -> None:
    install_demo(tmp_path, run)
    seconds = unique_seconds()
    with Attune("run", "demo.lost", f"file={tmp_path / 'seen'}", f"sleep={seconds}") as attune:
        until(lambda: processes_with(seconds), "the run")
        attune.signal(signal.SIGKILL)
        attune.end()
    first = show(run, "1")
    assert (first["status"], first["next_attempt"]) == ("abandoned", 2)
    second = show(run, "2")
    assert (second["status"], second["attempt"], second["original_execution"]) == ("requested", 2, 1)
    assert second["timeline"][-1]["host"] is None
    assert not processes_with(seconds)
    waited = run("execution", "wait", "1", "-j")
    assert waited.exit_code == 0
    assert (json.loads(waited.stdout)["id"], json.loads(waited.stdout)["status"]) == (2, "completed")
    assert run("execution", "logs", "2").stdout == "begun 2\n"


@pytest.mark.parametrize("command", ["wait", "watch", "logs"])
def test_who_waits_for_a_run_that_is_killed_learns_of_it(run: Run, command: str) -> None:
    seconds = unique_seconds()
    options = {"wait": ("-j",), "watch": ("-j",), "logs": ("-f", "-j")}[command]
    with Attune("run", "exec", "--", "sleep", seconds) as attune:
        until(lambda: processes_with(seconds), "the run")
        with Attune("execution", command, "1", *options) as waiting:
            until(lambda: has_opened(waiting.process.pid, "attune.db"), "the second command to look")
            attune.signal(signal.SIGKILL)
            code, out, _ = waiting.end()
    assert code == (0 if command == "logs" else 1)
    assert json.loads(out.splitlines()[-1])["status"] == "abandoned"
    assert not processes_with(seconds)
    assert show(run, "1")["status"] == "abandoned"


def test_who_waits_for_a_killed_run_runs_its_next_attempt(run: Run, tmp_path: Path) -> None:
    install_demo(tmp_path, run)
    seconds = unique_seconds()
    with Attune("run", "demo.lost", f"file={tmp_path / 'seen'}", f"sleep={seconds}") as attune:
        until(lambda: processes_with(seconds), "the run")
        with Attune("execution", "wait", "1", "-j") as waiting:
            until(lambda: has_opened(waiting.process.pid, "attune.db"), "the second command to look")
            attune.signal(signal.SIGKILL)
            code, out, _ = waiting.end()
    document = json.loads(out)
    assert (code, document["id"], document["status"]) == (0, 2, "completed")


def test_a_killed_run_gives_its_slot_to_who_waits_for_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_SLOTS", "1")
    seconds = unique_seconds()
    with Attune("run", "exec", "--", "sleep", seconds) as first:
        until(lambda: processes_with(seconds), "the run")
        with Attune("run", "core.echo", "message=mine") as second:
            until(lambda: run("execution", "list", "--count").stdout == "2\n", "the second run's row")
            assert show(run, "2")["status"] == "requested"
            first.signal(signal.SIGKILL)
            first.end()
            assert second.end()[:2] == (0, "mine\n")


def test_a_nested_run_of_a_killed_run_ends_too(run: Run) -> None:
    seconds = unique_seconds()
    with Attune("run", "exec", "--", *_nested("sleep", seconds)) as attune:
        until(lambda: processes_with(seconds), "the nested run")
        attune.signal(signal.SIGKILL)
        attune.end()
    assert show(run, "1")["status"] == "abandoned"
    until(lambda: not processes_with(seconds), "the end of the nested run")
    until(lambda: show(run, "2")["status"] in {"abandoned", "cancelled", "failed"}, "the nested run's record")


def _nested(*command: str) -> list[str]:
    return [sys.executable, "-m", "attune_cli", "run", "exec", "--", *command]
