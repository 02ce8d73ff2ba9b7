"""Pruning where executions hang together: attempts of one run, runs started from inside a run."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

FILES = {
    "pack.yaml": "ref: demo\nversion: 1.0.0\n",
    "actions/flaky.yaml": """\
ref: demo.flaky
retry: {count: 1, delay: 0}
entry_point: |
  [ -e "$ATTUNE_HOME/tried" ] && exit 0
  touch "$ATTUNE_HOME/tried"
  exit 3
""",
    "actions/nesting.yaml": f"""\
ref: demo.nesting
entry_point: |
  {sys.executable} -m attune_cli run exec --name inner -- true
""",
}


@pytest.fixture
def ids(tmp_path: Path, run: Run, process: Run) -> list[int]:
    """A failed attempt and the one that followed it, a run and one started inside it."""
    assert run("pack", "install", str(write_files(tmp_path / "demo", FILES))).exit_code == 0
    assert process("run", "demo.flaky").exit_code == 0
    assert process("run", "demo.nesting").exit_code == 0
    assert _kept(run) == [1, 2, 3, 4]
    return [1, 2, 3, 4]


def _kept(run: Run) -> list[int]:
    return sorted(row["id"] for row in json.loads(run("execution", "list", "--all", "-j").stdout))


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ((), []),
        (("--status", "failed"), [1, 2, 3, 4]),
        (("--action", "demo.nesting"), [1, 2, 3, 4]),
        (("--action", "exec.inner"), [1, 2, 3]),
        (("--keep", "1"), [3, 4]),
        (("--keep", "3"), [1, 2, 3, 4]),
        (("--status", "completed"), [1]),
    ],
)
def test_what_something_that_stays_hangs_on_stays_too(
    ids: list[int], run: Run, options: tuple[str, ...], kept: list[int]
) -> None:
    pruned = run("execution", "prune", "--older-than", "1ms", "-y", "-j", *options)
    assert pruned.exit_code == 0, pruned.stderr
    assert json.loads(pruned.stdout)["executions"] == len(ids) - len(kept)
    assert _kept(run) == kept
