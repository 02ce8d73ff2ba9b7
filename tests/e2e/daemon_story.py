"""What stories of the daemon share: one that serves for as long as a block lasts, and what is known of it."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.engine.lease import Daemon, read_lease
from tests.e2e.story import Attune, processes_with, until

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run


@contextmanager
def serving(home: Home, *options: str) -> Generator[Attune]:
    """Be a daemon at a free port, and kill it when the block is left."""
    with Attune("serve", "--log-format", "text", "--port", "0", *options) as attune:
        until(lambda: is_ready(home, attune) or attune.process.poll() is not None, "the daemon")
        assert attune.process.poll() is None, attune.end()
        yield attune


def is_ready(home: Home, attune: Attune) -> bool:
    daemon = read_lease(home.path)
    return daemon is not None and daemon.is_ready and daemon.pid == attune.process.pid


def daemon_of(home: Home) -> Daemon:
    daemon = read_lease(home.path)
    assert daemon is not None
    return daemon


def supervisors(home: Home) -> list[int]:
    """Return the supervisor processes of a home."""
    return processes_with(str(home.hosts))


@pytest.fixture
def nothing_is_left(home: Home) -> Iterator[None]:
    """End what a story that failed has left running."""
    yield
    daemon = read_lease(home.path)
    if daemon is not None:
        with suppress(ProcessLookupError):
            os.kill(daemon.pid, signal.SIGTERM)
        until(lambda: read_lease(home.path) is None, "the daemon's end")
    for supervisor in supervisors(home):
        with suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
    until(lambda: not supervisors(home), "the supervisor's end")


@pytest.fixture
def slow(run: Run, tmp_path: Path) -> str:
    """Install an action that prints `begun`, waits for `file`, and prints `ended`; `slow.count` counts meanwhile."""
    pack = tmp_path / "slow"
    (pack / "actions").mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: slow\nversion: 1.0.0\nlabel: Slow\n")
    (pack / "actions" / "go.yaml").write_text(
        "ref: slow.go\nlabel: Go\nrunner_type: shell\nentry_point: go.sh\nparameter_format: dotenv\n"
        "parameters:\n  file: {type: string, required: true}\n"
    )
    (pack / "actions" / "go.sh").write_text(
        'eval "$(cat)"\necho begun\nwhile [ ! -e "$file" ]; do sleep 0.05; done\necho ended\n'
    )
    (pack / "actions" / "count.yaml").write_text(
        (pack / "actions" / "go.yaml")
        .read_text()
        .replace("slow.go", "slow.count")
        .replace("go.sh", "count.sh")
    )
    (pack / "actions" / "count.sh").write_text(
        'eval "$(cat)"\nwhile [ ! -e "$file" ]; do number=$((number + 1)); echo $number; sleep 0.05; done\n'
        "echo ended\n"
    )
    assert run("pack", "install", str(pack)).exit_code == 0
    return "slow.go"


def started(run: Run, action: str, gate: Path) -> None:
    """Begin a run, the first of its home, that goes on until `gate` is there."""
    assert run("run", action, f"file={gate}", "--detach", "-q").exit_code == 0
    until(lambda: run("execution", "logs", "1").stdout == "begun\n", "the run's first word")
