"""Stories of signals, time limits and readers that go away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.e2e.story import Attune, has_opened, processes_with, show, unique_seconds, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

DEAF = "trap '' TERM INT; echo ready; while :; do sleep 0.05; done"


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_cancels_the_run_and_is_the_exit_code(run: Run, name: str, code: int) -> None:
    seconds = unique_seconds()
    with Attune("run", "exec", "-j", "--", "sleep", seconds) as attune:
        until(lambda: processes_with(seconds), "the run")
        attune.signal(signal.Signals[name])
        ended, out, _ = attune.end()
    assert ended == code
    document = json.loads(out)
    assert (document["status"], document["cancel_reason"]) == ("cancelled", name)
    assert document["result"]["cancelled"] is True
    assert not processes_with(seconds)
    assert show(run, "1")["status"] == "cancelled"


def test_a_signal_cancels_a_run_that_waits_for_a_slot(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_SLOTS", "1")
    seconds = unique_seconds()
    with Attune("run", "exec", "--", "sleep", seconds):
        until(lambda: processes_with(seconds), "the run")
        with Attune("run", "core.noop") as waiting:
            until(lambda: _statuses(run) == ["requested", "running"], "the second to wait")
            waiting.signal(signal.SIGINT)
            assert waiting.end()[0] == 130
        assert _statuses(run) == ["cancelled", "running"]


def test_a_signal_ends_the_wait_for_the_next_attempt(run: Run, tmp_path: Path) -> None:
    pack = tmp_path / "later"
    (pack / "actions").mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: later\nversion: 1.0.0\n")
    (pack / "actions" / "fail.yaml").write_text(
        "ref: later.fail\nentry_point: exit 1\nretry: {count: 3, delay: 3600}\n"
    )
    assert run("pack", "install", str(pack)).exit_code == 0
    with Attune("run", "later.fail") as attune:
        until(lambda: run("execution", "list", "--count").stdout == "2\n", "the second attempt")
        attune.signal(signal.SIGINT)
        assert attune.end()[0] == 130
    assert _statuses(run) == ["cancelled", "failed"]


def test_the_first_interrupt_says_what_the_second_will_do_and_the_grace_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_GRACE_SECONDS", "0.3s")
    with Attune("run", "exec", "--", "sh", "-c", DEAF) as attune:
        until(lambda: run("execution", "logs", "1").stdout == "ready\n", "the trap")
        attune.signal(signal.SIGINT)
        code, _, err = attune.end()
    assert code == 130
    assert "once more to kill it at once" in err
    shown = show(run, "1")
    assert (shown["status"], shown["exit_code"]) == ("cancelled", 128 + 9)


def test_a_second_interrupt_kills_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_GRACE_SECONDS", "1h")
    with Attune("run", "exec", "--", "sh", "-c", DEAF) as attune:
        until(lambda: run("execution", "logs", "1").stdout == "ready\n", "the trap")
        attune.signal(signal.SIGINT)
        until(lambda: show(run, "1")["status"] == "canceling", "the first to be heard")
        attune.signal(signal.SIGINT)
        assert attune.end()[0] == 130
    assert show(run, "1")["status"] == "cancelled"


def test_interrupting_who_only_looks_leaves_the_run_alone(run: Run) -> None:
    seconds = unique_seconds()
    with Attune("run", "exec", "--", "sleep", seconds) as attune:
        until(lambda: processes_with(seconds), "the run")
        for command in (("logs", "-f"), ("watch",), ("wait",)):
            with Attune("execution", command[0], "1", *command[1:], "-v") as looking:
                until(partial(has_opened, looking.process.pid, "attune.db"), "it to look")
                looking.signal(signal.SIGINT)
                assert looking.end()[0] == 130
        assert show(run, "1")["status"] == "running"
        attune.signal(signal.SIGINT)
        attune.end()


def test_cancelled_by_another_command_it_exits_130(run: Run) -> None:
    seconds = unique_seconds()
    with Attune("run", "exec", "--", "sleep", seconds) as attune:
        until(lambda: processes_with(seconds), "the run")
        assert run("execution", "cancel", "1", "--reason", "enough", "--wait").exit_code == 0
        code, _, err = attune.end()
    assert (code, "execution 1 of exec.sleep was cancelled" in err) == (130, True)
    assert show(run, "1")["cancel_reason"] == "enough"


def test_waiting_may_be_over_before_the_run(run: Run) -> None:
    seconds = unique_seconds()
    with Attune(
        "run", "action", "core.sleep", "seconds=2", "message=done", "--wait-timeout", "0.2s"
    ) as attune:
        code, out, err = attune.end()
    assert (code, out) == (8, "")
    assert "execution 1 is still going on" in err
    assert "attune execution wait 1" in err
    assert run("execution", "wait", "1", "--timeout", "0.1s").exit_code == 8
    assert run("execution", "wait", "1").exit_code == 0
    assert run("execution", "logs", "1").stdout == "done\n"
    assert not processes_with(seconds)


def test_logs_are_followed_while_they_are_written(run: Run, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = f"echo one; read -r line <{gate}; echo $line; echo err >&2"
    with Attune("run", "exec", "--no-logs", "--", "sh", "-c", script) as attune:
        until(lambda: run("execution", "logs", "1").stdout == "one\n", "the first line")
        with Attune("execution", "logs", "1", "-f", "-j") as follower:
            assert follower.process.stdout is not None
            records = [json.loads(follower.process.stdout.readline()) for _ in range(2)]
            assert [record["type"] for record in records] == ["hello", "log"]
            assert records[1]["line"] == "one"
            gate.write_text("two\n")
            code, out, _ = follower.end()
        assert attune.end() == (0, "", "")
    rest = [json.loads(line) for line in out.splitlines()]
    assert sorted(record["line"] for record in rest[:-1]) == ["err", "two"]
    assert (code, rest[-1]["type"], rest[-1]["status"], rest[-1]["exit_code"]) == (0, "end", "completed", 0)


def test_a_reader_that_goes_away_does_not_stop_the_run(run: Run, tmp_path: Path) -> None:
    done = tmp_path / "done"
    line = f"{sys.executable} -m attune_cli run exec -- sh -c 'seq 100000; touch {done}' | head -1"
    piped = subprocess.run(
        ["bash", "-c", f"{line}; echo ${{PIPESTATUS[0]}}"], capture_output=True, check=True
    )
    assert piped.stdout.decode().splitlines() == ["1", "0"]
    assert done.exists()
    shown = show(run, "1")
    assert (shown["status"], shown["stdout"]["lines"]) == ("completed", 100_000)


def test_eight_at_a_time_from_xargs(run: Run) -> None:
    line = f"seq 16 | xargs -P8 -I% {sys.executable} -m attune_cli run core.echo message=% -r"
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    assert sorted(map(int, done.stdout.split())) == list(range(1, 17))
    assert run("execution", "list", "--count", "-s", "completed").stdout == "16\n"


def _statuses(run: Run) -> list[str]:
    return run("execution", "list", "--fields", "status").stdout.split()
