"""Stories of attune inside an action."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.e2e.story import show
from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.cli.conftest import Run

ATTUNE = f"{sys.executable} -m attune_cli"


def test_a_run_inside_a_run_is_its_child_and_needs_no_slot(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_SLOTS", "1")
    script = f"{ATTUNE} run exec -- {ATTUNE} run core.echo message=deep"
    result = run("run", "exec", "--", "sh", "-c", script)
    assert (result.exit_code, result.stdout) == (0, "deep\n")
    tree = [show(run, str(number)) for number in (1, 2, 3)]
    assert [(one["parent"], one["root"], one["status"]) for one in tree] == [
        (None, 1, "completed"), (1, 1, "completed"), (2, 1, "completed"),
    ]  # fmt: skip
    assert run("execution", "list", "--parent", "1", "-q").stdout == "2\n"
    assert run("execution", "list", "--root", "-q").stdout == "1\n"


def test_the_end_of_a_child_is_the_parents_own_business(run: Run) -> None:
    result = run("run", "exec", "--", "sh", "-c", f"{ATTUNE} run core.noop exit_code=4 || echo saw $?")
    assert (result.exit_code, result.stdout) == (0, "saw 1\n")


def test_a_run_in_another_home_has_no_parent_there(run: Run, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    assert run("run", "exec", "--", "sh", "-c", f"{ATTUNE} --home {other} run core.noop").exit_code == 0
    assert show(lambda *words: run("--home", other, *words), "1")["parent"] is None


def test_an_installed_action_runs_attune_in_the_same_home(run: Run, tmp_path: Path) -> None:
    pack = tmp_path / "outer"
    (pack / "actions").mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: outer\nversion: 1.0.0\n")
    inner = f"PYTHONPATH={'/'.join(__file__.split('/')[:-3])} {ATTUNE} run core.echo message=inner -r"
    (pack / "actions" / "call.yaml").write_text(f"ref: outer.call\nentry_point: '{inner}'\n")
    assert run("pack", "install", str(pack)).exit_code == 0
    result = run("run", "outer.call")
    assert (result.exit_code, result.stdout) == (0, "inner\n")
    assert show(run, "2")["parent"] == 1


def test_an_action_finds_the_command_though_no_path_leads_to_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    files = {
        "pack.yaml": "ref: keeper\nversion: 1.0.0\n",
        "actions/keep.yaml": "ref: keeper.keep\nrunner_type: shell\n"
        "entry_point: |\n  printf x | attune key set keeper.seen -\n",
    }
    assert run("pack", "install", str(write_files(tmp_path / "keeper", files))).exit_code == 0
    assert run("run", "keeper.keep").exit_code == 0
    assert run("key", "get", "keeper.seen").stdout == "x\n"
