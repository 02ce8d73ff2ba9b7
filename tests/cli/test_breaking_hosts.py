"""What hosts that died leave in the home, and who takes it away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

DEADLINE_SECONDS = 20.0


def _left(home: Home) -> set[str]:
    return {path.name for path in home.hosts.iterdir()}


def test_the_files_of_a_host_that_died_unrecorded_go_with_the_next_dead_one(home: Home, run: Run) -> None:
    assert run("run", "core.noop").exit_code == 0
    for name in ("old", "young"):
        (home.hosts / f"{name}.lock").touch()
        (home.hosts / f"{name}.sock").touch()
    long_ago = time.time() - 3600
    os.utime(home.hosts / "old.lock", (long_ago, long_ago))
    killed = subprocess.Popen(
        [sys.executable, "-m", "attune_cli", "run", "exec", "--", "sh", "-c", "echo up; exec sleep 60"],
        stdout=subprocess.PIPE,
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"up\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=DEADLINE_SECONDS)
    assert run("execution", "show", "@last", "--field", "status").stdout == "abandoned\n"
    assert _left(home) == {"young.lock", "young.sock"}
