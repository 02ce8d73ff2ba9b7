"""A real supervisor with its reports, for the contract tests."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.supervisor import Fate, RunExit, Spawn, Supervisor, processes, read_journal

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 20.0
"""How long a condition may take on a loaded machine before a test fails. Never waited for in full."""


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    about = processes.stat(pid)
    return about is not None and about.state not in "ZX"


def marked_processes(home: str) -> list[int]:
    """Return the living processes that carry a home in their environment."""
    return [
        pid for pid in processes.everything() if f"ATTUNE_HOME={home}".encode() in processes.environment(pid)
    ]


def zombies() -> list[int]:
    """Return the ended children of this process that nobody has reaped."""
    own = os.getpid()
    return [
        pid for pid, about in processes.everything().items() if about.parent == own and about.state == "Z"
    ]


class World:
    """A supervisor, the ends it reported, and a folder for its runs."""

    def __init__(self, folder: Path) -> None:
        self.home = str(folder)
        self.folder = folder
        self.ends: dict[str, RunExit] = {}
        self._ended = threading.Condition()
        self._count = 0
        for child in zombies():  # other tests of this process left them: commands that were called in it
            os.waitpid(child, 0)
        self.begin()

    def begin(self) -> None:
        self.journal = self.folder / "journal"
        self.supervisor = Supervisor(journal=self.journal, clock=SystemClock(), report=self._report)
        self.supervisor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.close()

    def _report(self, run_exit: RunExit) -> None:
        with self._ended:
            assert run_exit.run not in self.ends, "a run ended twice"
            self.ends[run_exit.run] = run_exit
            self._ended.notify_all()

    def fate(self, spawn: Spawn) -> Fate | None:
        """Return what the journal tells of a run by now."""
        return read_journal(self.journal).get(spawn.run)

    def leader(self, spawn: Spawn) -> int:
        """Wait until the journal names the leader of a run, and return its pid."""

        def named() -> bool:
            fate = self.fate(spawn)
            return fate is not None and fate.leader is not None

        until(named, "the leader in the journal")
        fate = self.fate(spawn)
        assert fate is not None
        assert fate.leader is not None
        return fate.leader.pid

    def request(self, *argv: str, **changes: Any) -> Spawn:
        """Return a run with a name of its own."""
        self._count += 1
        name = f"run-{self._count}"
        environment = {"PATH": os.environ["PATH"], "ATTUNE_EXEC_ID": name, "ATTUNE_HOME": self.home}
        environment |= changes.pop("more_environment", {})
        settings: dict[str, Any] = {
            "run": name,
            "argv": argv,
            "cwd": "/",
            "environment": environment,
            "stdin": b"",
            "folder": self.folder / name,
            "stdout_cap_bytes": 10 * 1024 * 1024,
            "stderr_cap_bytes": 10 * 1024 * 1024,
            "timeout_seconds": 60.0,
            "grace_seconds": 10.0,
        }
        return Spawn(**(settings | changes))

    def spawn(self, *argv: str, **changes: Any) -> Spawn:
        request = self.request(*argv, **changes)
        self.supervisor.spawn(request)
        return request

    def end(self, spawn: Spawn) -> RunExit:
        with self._ended:
            assert self._ended.wait_for(lambda: spawn.run in self.ends, PATIENCE_SECONDS), (
                "the run did not end"
            )
        return self.ends[spawn.run]

    def run(self, *argv: str, **changes: Any) -> tuple[Spawn, RunExit]:
        """Run a program to its end."""
        spawn = self.spawn(*argv, **changes)
        return spawn, self.end(spawn)

    def shell(self, script: str, **changes: Any) -> tuple[Spawn, RunExit]:
        return self.run("/bin/sh", "-c", script, **changes)

    def spawn_shell(self, script: str, **changes: Any) -> Spawn:
        return self.spawn("/bin/sh", "-c", script, **changes)


def output(spawn: Spawn, stream: str = "stdout") -> bytes:
    """Return what is kept of a stream so far."""
    path = Path(spawn.folder, stream)
    return path.read_bytes() if path.exists() else b""


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def pid_in(path: Path) -> int:
    """Wait for a file that a script writes a pid into."""
    until(lambda: path.exists() and path.read_text().endswith("\n"), f"a pid in {path.name}")
    return int(path.read_text())
