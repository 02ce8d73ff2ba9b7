"""`attune up` on a terminal: a view that lives; lines of a log everywhere else."""

from __future__ import annotations

import re
import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.store.database import connect
from tests.e2e.daemon_story import daemon_of
from tests.e2e.screen import Screen
from tests.e2e.story import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class View(Screen):
    """`attune up …` on a terminal; `seen` is all it wrote so far, without what moves and colours."""

    def __init__(self, *options: str, lines: int = 40) -> None:
        super().__init__("up", "--port", "0", *options, columns=100, lines=lines)

    @property
    def seen(self) -> str:
        while self._more(time.monotonic()):
            pass
        return _ESCAPES.sub("", self.shown)

    def awaits(self, pattern: str) -> None:
        until(lambda: re.search(pattern, self.seen, re.MULTILINE), f"{pattern!r} in {self.seen[-2000:]}")

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        until(lambda: (self.seen, self.process.poll())[1] is not None, "the end")
        return self.process.wait(PATIENCE_SECONDS)


def test_a_terminal_shows_who_serves_what_runs_and_what_comes_next(process: Run, home: Home) -> None:
    assert process("timer", "create", "tea", "--every", "1h", "--action", "core.noop").exit_code == 0
    with View() as screen:
        screen.awaits(r"INFO attune\.daemon: ready at")
        screen.awaits(r"^attune  http://127\.0\.0\.1:\d+  process \d+$")
        screen.awaits(r"^last minute: 0 events, 0 rules fired  now: nothing runs$")
        shown = screen.seen
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
        assert "INFO attune.daemon: stopped\n" in screen.seen
        assert screen.shown.count("\x1b[?25l") == screen.shown.count("\x1b[?25h"), "the cursor is there again"


def test_a_small_terminal_shows_the_newest_and_is_not_overrun(process: Run) -> None:
    for number in range(5):
        assert process("run", "core.echo", f"message={number}").exit_code == 0
    with View("--no-apply", lines=12) as screen:
        screen.awaits(r"^ *5 +core\.echo +completed ")
        assert not re.search(r"^ *4 +core\.echo", screen.seen, re.MULTILINE)
        assert screen.interrupt() == 0


def test_without_progress_a_terminal_shows_lines_of_the_log(process: Run) -> None:
    with View("--no-progress") as screen:
        screen.awaits(r"^\d{4}-\d\d-\d\d .* INFO attune\.daemon: ready at")
        assert process("run", "core.noop").exit_code == 0
        assert screen.interrupt() == 0
        assert "last minute" not in screen.seen
        assert "\x1b[" not in screen.shown


def test_a_port_that_is_taken_is_told_once_and_nothing_is_drawn(process: Run, tmp_path: Path) -> None:
    with View() as screen:
        screen.awaits("ready at")
        url = process("status", "--field", "url").stdout.strip()
        port = url.rpartition(":")[2]
        with View("--home", str(tmp_path / "other"), "--port", port) as other:
            until(lambda: (other.seen, other.process.poll())[1] is not None, "the refusal")
            assert other.process.returncode == 5
            assert "last minute" not in other.seen
            assert f"error: port {port} of 127.0.0.1 is taken" in other.seen
        assert screen.interrupt() == 0
