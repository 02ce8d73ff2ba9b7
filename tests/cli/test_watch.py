"""`attune watch`: a feed that starts where it is told, misses nothing, and says what it cannot show."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.store.database import connect
from tests.e2e.story import Attune, until

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run


class Watching(Attune):
    """`attune watch … -j` whose records are read as they come."""

    def __init__(self, *options: str) -> None:
        super().__init__("watch", "-o", "jsonl", *options)

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def interrupt(self) -> tuple[int, list[dict[str, Any]]]:
        """Press Ctrl-C; returns exit code and what was printed since the last record read."""
        self.signal(signal.SIGINT)
        code, out, _ = self.end()
        return code, [json.loads(line) for line in out.splitlines()]


def statuses(records: list[dict[str, Any]]) -> list[str]:
    return [one["payload"]["status"] for one in records if one["type"] == "notification"]


def test_every_change_is_told_in_order_between_hello_and_end(process: Run) -> None:
    process("run", "core.noop")
    with Watching() as watching:
        hello = watching.next()
        assert (hello["type"], hello["stream"], hello["seq"], hello["oldest"]) == ("hello", "watch", 3, 1)
        process("run", "core.echo", "message=hi")
        told = [watching.next() for _ in range(3)]
        assert [one["seq"] for one in told] == [4, 5, 6]
        assert statuses(told) == ["requested", "running", "completed"]
        assert (told[2]["entity_type"], told[2]["entity_id"]) == ("execution", 2)
        assert told[2]["payload"]["created"].endswith("Z")
        code, rest = watching.interrupt()
    assert (code, [(one["type"], one["seq"], one["exit_code"]) for one in rest]) == (130, [("end", 6, 130)])


def test_a_feed_goes_on_behind_the_sequence_it_is_given(process: Run) -> None:
    process("run", "core.noop")
    with Watching("--since-seq", "1") as watching:
        assert watching.next()["seq"] == 1
        assert [watching.next()["seq"] for _ in range(2)] == [2, 3]


def test_what_was_pruned_is_told_as_a_gap(process: Run, home: Home) -> None:
    process("run", "core.noop")
    with closing(connect(home.database)) as connection:
        connection.execute("DELETE FROM notification WHERE sequence <= 2")
    with Watching("--since-seq", "0") as watching:
        assert watching.next()["oldest"] == 3
        gap = watching.next()
        assert (gap["type"], gap["after"], gap["oldest"]) == ("gap", 0, 3)
        assert watching.next()["seq"] == 3
        with closing(connect(home.database)) as connection:
            connection.execute("DELETE FROM notification")
        process("run", "core.noop")
        assert [watching.next()["seq"] for _ in range(3)] == [4, 5, 6]
    with Watching("--since-seq", "7000") as watching:
        assert watching.next()["type"] == "hello"
        assert watching.next()["type"] == "gap"
        process("run", "core.noop")
        assert watching.next()["seq"] == 7


def test_a_home_that_is_not_there_yet_is_waited_for_and_not_made(process: Run, home: Home) -> None:
    with Watching() as watching:
        assert watching.next()["epoch"] is None
        assert not home.path.exists()
        process("run", "core.noop")
        assert [watching.next()["seq"] for _ in range(3)] == [1, 2, 3]


def test_a_database_that_is_taken_away_ends_the_feed(process: Run, home: Home) -> None:
    process("run", "core.noop")
    with Watching() as watching:
        watching.next()
        home.database.rename(home.path / "elsewhere.db")
        code, _, err = watching.end()
        assert (code, "moved away" in err) == (6, True)


def test_only_what_is_asked_for_is_told(process: Run) -> None:
    process("run", "core.noop")
    process("run", "core.echo", "message=x")
    with Watching("--since-seq", "0", "--action", "core.echo") as watching:
        watching.next()
        assert {watching.next()["payload"]["action_ref"] for _ in range(3)} == {"core.echo"}
    with Watching("--since-seq", "0", "--kinds", "event,timer") as watching:
        watching.next()
        assert watching.interrupt()[1][0]["type"] == "end"
    with Watching("--since-seq", "0", "--pack", "other") as watching:
        watching.next()
        assert watching.interrupt()[1][0]["type"] == "end"


def test_lines_of_text_go_to_a_pipe_and_end_when_nobody_reads_them(process: Run) -> None:
    process("run", "core.noop")
    with Attune("watch", "--since-seq", "2") as watching:
        assert watching.process.stdout is not None
        line = watching.process.stdout.readline().decode().rstrip("\n").split("\t")
        assert line[1:] == ["3", "execution", "1", "core.noop", "completed"]
        watching.process.stdout.close()
        watching.process.stdout = None
        until(lambda: watching.process.poll() is not None, "the end of a feed that nobody reads")
        assert watching.process.returncode == 141


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--kinds", "exection"], "did you mean execution?"),
        (["--kinds", ","], "kinds are execution"),
        (["--since-seq", "-1"], "--since-seq"),
    ],
)
def test_what_cannot_be_watched_is_refused(run: Run, options: list[str], told: str) -> None:
    refused = run("watch", *options)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert told in refused.stderr


def test_a_terminal_shows_a_table_with_each_thing_below_what_it_came_from(process: Run) -> None:
    process(
        "run", "exec", "--", sys.executable, "-m", "attune_cli", "run", "core.echo", "message=inner", "-q"
    )
    mine, its = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "attune_cli", "watch", "--tree"], stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    shown = b""
    with os.fdopen(mine, "rb", buffering=0) as screen:
        while b"core.echo" not in shown:
            shown += screen.read(4096)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
    lines = [line.split("execution")[0] for line in shown.decode().splitlines() if "execution" in line]
    outer, inner = lines
    assert len(inner) == len(outer) + 2, "what ran inside is not shown below"


def test_an_idle_feed_takes_next_to_no_time(process: Run) -> None:
    process("run", "core.noop")
    with Watching() as watching:
        watching.next()
        before = _switches(watching.process)
        process("run", "core.noop")
        for _ in range(3):
            watching.next()
        assert _switches(watching.process) - before < 500, "it looks far more often than it has to"


def _switches(process: subprocess.Popen[bytes]) -> int:
    """Return how often a process was on the processor: one that looks without rest is there all the time."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return int(told["voluntary_ctxt_switches"]) + int(told["nonvoluntary_ctxt_switches"])


def test_a_name_that_nothing_has_is_warned_of_and_waited_for(process: Run) -> None:
    process("run", "core.noop")
    with Watching("--action", "core.ecko") as watching:
        assert watching.next()["type"] == "hello"
        watching.signal(signal.SIGINT)
        assert "there is no action 'core.ecko'; did you mean core.echo?" in watching.end()[2]
