"""`attune up` on a terminal: a view that lives; lines of a log everywhere else."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from contextlib import closing
from typing import TYPE_CHECKING, Self

import pytest

from attune_cli.runtime.store.database import connect
from tests.e2e.daemon_story import daemon_of
from tests.e2e.story import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """`attune up …` on a terminal of its own; `shown` is all it wrote so far, without what moves and colours."""

    def __init__(self, *options: str, lines: int = 40) -> None:
        self._mine, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 100, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "attune_cli", "up", "--port", "0", *options],
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(its)
        self.raw = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._mine)

    @property
    def shown(self) -> str:
        while select.select([self._mine], [], [], 0)[0]:
            try:
                self.raw += os.read(self._mine, 65536).decode()
            except OSError:  # the other side is closed
                break
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def awaits(self, pattern: str) -> None:
        until(lambda: re.search(pattern, self.shown, re.MULTILINE), f"{pattern!r} in {self.shown[-2000:]}")

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        until(lambda: (self.shown, self.process.poll())[1] is not None, "the end")
        return self.process.wait(PATIENCE_SECONDS)


def test_a_terminal_shows_who_serves_what_runs_and_what_comes_next(process: Run, home: Home) -> None:
    assert process("timer", "create", "tea", "--every", "1h", "--action", "core.noop").exit_code == 0
    with Screen() as screen:
        screen.awaits(r"INFO attune\.daemon: ready at")
        screen.awaits(r"^attune  http://127\.0\.0\.1:\d+  process \d+$")
        screen.awaits(r"^last minute: 0 events, 0 rules fired  now: nothing runs$")
        shown = screen.shown
        assert f"attune  {daemon_of(home).url}  process {screen.process.pid}\n" in shown
        assert str(home.path)[:99] in shown
        screen.awaits(r"^local\.tea +in (1h|59m)$")
        assert process("run", "core.sleep", "seconds:=60", "--detach", "-q").stdout == "1\n"
        screen.awaits(r"^ *1 +core\.sleep +running ")
        screen.awaits(r"now: 1 running$")
        with closing(connect(home.database)) as connection:
            connection.execute(
                "INSERT INTO inquiry (execution, prompt, created, updated) VALUES (1, 'wet?', 0, 0)"
            )
        screen.awaits(r"now: 1 running, 1 open inquiries$")
        assert process("timer", "fire", "local.tea").exit_code == 0
        screen.awaits(r"^ *2 +core\.noop +completed .* local\.tea")
        screen.awaits(r"^last minute: 1 events, 1 rules fired ")
        assert process("execution", "cancel", "1").exit_code == 0
        screen.awaits(r"^ *1 +core\.sleep +cancelled ")
        assert screen.interrupt() == 0
        assert "INFO attune.daemon: stopped\n" in screen.shown
        assert screen.raw.count("\x1b[?25l") == screen.raw.count("\x1b[?25h"), "the cursor is there again"


def test_a_small_terminal_shows_the_newest_and_is_not_overrun(process: Run) -> None:
    for number in range(5):
        assert process("run", "core.echo", f"message={number}").exit_code == 0
    with Screen("--no-apply", lines=12) as screen:
        screen.awaits(r"^ *5 +core\.echo +completed ")
        assert not re.search(r"^ *4 +core\.echo", screen.shown, re.MULTILINE)
        assert screen.interrupt() == 0


def test_without_progress_a_terminal_shows_lines_of_the_log(process: Run) -> None:
    with Screen("--no-progress") as screen:
        screen.awaits(r"^\d{4}-\d\d-\d\d .* INFO attune\.daemon: ready at")
        assert process("run", "core.noop").exit_code == 0
        assert screen.interrupt() == 0
        assert "last minute" not in screen.shown
        assert "\x1b[" not in screen.raw


def test_a_port_that_is_taken_is_told_once_and_nothing_is_drawn(process: Run, tmp_path: Path) -> None:
    with Screen() as screen:
        screen.awaits("ready at")
        url = process("status", "--field", "url").stdout.strip()
        port = url.rpartition(":")[2]
        with Screen("--home", str(tmp_path / "other"), "--port", port) as other:
            until(lambda: (other.shown, other.process.poll())[1] is not None, "the refusal")
            assert other.process.returncode == 5
            assert "last minute" not in other.shown
            assert f"error: port {port} of 127.0.0.1 is taken" in other.shown
        assert screen.interrupt() == 0
