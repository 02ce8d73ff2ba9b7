"""What the stories share: commands in the background, and waiting for what they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

PATIENCE_SECONDS = 90.0
"""How long a condition may take on a loaded machine before a story fails. Never waited for in full."""


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def processes_with(word: str) -> list[int]:
    """Return the living processes (no zombies, no attune that passes it on) that have `word` as an argument."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in words and b"attune_cli" not in words:
                found.append(int(folder.name))
    return found


def has_opened(pid: int, name: str) -> bool:
    """Tell whether a process holds a file of that name open."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return any(_target(link).endswith(name) for link in links)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def unique_seconds() -> str:
    """Return a duration for `sleep` that no other process on this machine has as an argument."""
    return f"9{os.getpid()}.{time.monotonic_ns() % 10**9:09}"


class Attune:
    """`attune …` in the background. Leaving it kills what is left of it."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "attune_cli", *arguments],
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def until(self, line: str) -> str:
        """Wait until it has written a line to stderr; returns what it wrote there so far."""
        assert self.process.stderr is not None
        told = ""
        for raw in iter(self.process.stderr.readline, b""):
            told += raw.decode()
            if told.endswith(line):
                return told
        raise AssertionError(f"waited in vain for {line!r} in {told!r}")

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; returns exit code, stdout and stderr."""
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, out.decode(), err.decode()


def show(run: Any, word: str) -> dict[str, Any]:
    """Return the record of an execution."""
    return json.loads(run("execution", "show", word, "-j").stdout)
