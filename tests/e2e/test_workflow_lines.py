"""The lines of a workflow that is run without a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FLOW = """\
ref: flow.quick
version: 1.0.0
tasks:
  - {name: one, action: core.echo, input: {message: first}, next: [{do: [two]}]}
  - {name: two, action: core.echo, input: {message: second}}
"""


def test_what_a_task_writes_stands_between_its_first_line_and_its_last(tmp_path: Path) -> None:
    path = tmp_path / "quick.workflow.yaml"
    path.write_text(FLOW)
    done = subprocess.run(
        [sys.executable, "-m", "attune_cli", "run", "workflow", str(path)],
        env={**os.environ, "ATTUNE_HOME": str(tmp_path / "home")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if line.startswith(("task ", "one ", "two "))]
    assert told == [
        "task one running",
        "one | first",
        "task one completed",
        "task two running",
        "two | second",
        "task two completed",
    ]
