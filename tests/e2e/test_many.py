"""Stories of many commands on one home at once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

COUNTS = [40, pytest.param(200, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", COUNTS)
def test_many_runs_on_a_home_that_is_not_there_yet_lose_nothing(run: Run, home: Home, count: int) -> None:
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "attune_cli", "run", "core.echo", f"message=m{number}", "-r"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(count)
    ]
    ends = [command.communicate(timeout=500) for command in commands]
    assert [end[1] for end in ends] == [b""] * count
    assert [end[0] for end in ends] == [f"m{number}\n".encode() for number in range(count)]
    assert {command.returncode for command in commands} == {0}
    rows = json.loads(run("execution", "list", "--all", "-j").stdout)
    assert sorted(row["id"] for row in rows) == list(range(1, count + 1))
    assert {row["status"] for row in rows} == {"completed"}
    assert sorted(row["result"]["stdout"] for row in rows) == sorted(
        f"m{number}\n" for number in range(count)
    )
    assert not [path for path in home.hosts.iterdir() if path.suffix in {".lock", ".sock", ".journal"}]
    assert run("db", "check").exit_code == 0


def test_one_key_asked_for_by_many_at_once_runs_once(run: Run) -> None:
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "attune_cli", "run", "core.echo", "message=once", "--key", "k", "-r"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(6)
    ]
    ends = [command.communicate(timeout=60)[0] for command in commands]
    assert ends == [b"once\n"] * 6
    assert run("execution", "list", "--count").stdout == "1\n"


def test_what_runs_already_is_queued_skipped_refused_or_replaced(run: Run) -> None:
    from tests.e2e.story import Attune, show, until

    with Attune("run", "core.sleep", "seconds=60") as first:
        until(lambda: '"running"' in run("execution", "list", "-j").stdout, "the first run")
        skipped = run("run", "core.sleep", "seconds=60", "--if-running", "skip")
        assert (skipped.exit_code, skipped.stderr) == (0, "skipped: execution 1 runs already\n")
        refused = run("run", "core.sleep", "seconds=60", "--if-running", "fail")
        assert (refused.exit_code, "attune execution wait 1" in refused.stderr) == (5, True)
        assert run("execution", "list", "--count").stdout == "1\n"
        replaced = run("run", "core.sleep", "seconds=0", "--if-running", "cancel")
        assert replaced.exit_code == 0
        assert first.end()[0] == 130
    assert show(run, "1")["cancel_reason"] == "replaced by a newer run"
