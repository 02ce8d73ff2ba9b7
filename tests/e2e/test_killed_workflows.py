"""Many kinds of workflows under a daemon that is killed again and again: they end as they do undisturbed."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.daemon_story import serving
from tests.e2e.story import until
from tests.e2e.workflow_pack import diary_of, write_workflow_pack

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")

FLOWS: dict[str, tuple[str, ...]] = {
    "sequence": ("name=bed",),
    "items": ('names:=["a", "bb", "ccc", "dddd"]',),
    "outer": ("name=x",),
    "handled": (),
    "retried": (),
    "two_approvals": (),
}
MOST_ENDS = 5


def ask_for(run: Run, folder: Path, name: str) -> Path:
    """Leave a run of a workflow to the daemon; returns where it writes what it does."""
    diary = folder / f"{name}.diary"
    done = run(
        "run", "workflow", f"flow.{name}", *FLOWS[name], f"diary={diary}",
        "--detach", "--queue-offline", "-q", "--key", str(diary),
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return diary


def rows(home: Home, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Look at the database as no command does: each would settle what the dead have left."""
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(statement, values).fetchall()


def is_over(home: Home) -> bool:
    return rows(home, "SELECT count(*) FROM execution WHERE finished IS NULL") == [(0,)]


def ended(home: Home) -> int:
    return int(rows(home, "SELECT count(*) FROM execution WHERE finished IS NOT NULL")[0][0])


def answer(run: Run, home: Home) -> None:
    for (inquiry,) in rows(home, "SELECT id FROM inquiry WHERE status = 'pending'"):
        assert run("inquiry", "respond", str(inquiry), "--approve").exit_code == 0


def is_over_when_answered(run: Run, home: Home) -> bool:
    answer(run, home)
    return is_over(home)


def story(home: Home, diary: Path) -> dict[str, Any]:
    """Return what became of a run: its result, each task, each attempt at it, and what the actions wrote."""
    top, status, result = rows(
        home, "SELECT id, status, result FROM execution WHERE idempotency_key = ?", str(diary)
    )[0]
    attempts = rows(
        home,
        """SELECT t.name, t.iteration, e.item, e.attempt, e.action_ref, t.status, e.status,
             json_extract(e.result, '$.data')
           FROM execution AS e JOIN workflow_task AS t ON t.id = e.workflow_task WHERE e.root = ?""",
        top,
    )
    is_json = diary.read_text().startswith("{")
    written = [json.dumps(line) for line in diary_of(diary)] if is_json else diary.read_text().splitlines()
    return {
        "status": status,
        "result": json.loads(result),
        "attempts": sorted(attempts),
        "written": sorted(written),
    }


@pytest.mark.parametrize(
    ("kills", "seed"), [(4, 0), *(pytest.param(100, seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_whatever_is_killed_each_workflow_ends_as_it_does_undisturbed(
    run: Run, home: Home, tmp_path: Path, kills: int, seed: int
) -> None:
    chance = random.Random(seed)
    assert run("pack", "install", str(write_workflow_pack(tmp_path))).exit_code == 0
    calm = {name: ask_for(run, tmp_path, name) for name in FLOWS}
    with serving(home):
        until(lambda: is_over_when_answered(run, home), "the end of the undisturbed runs")
    wanted = {name: story(home, diary) for name, diary in calm.items()}
    disturbed: list[tuple[str, Path]] = []
    for number in range(kills):
        if is_over(home):
            (tmp_path / str(number)).mkdir()
            disturbed += [(name, ask_for(run, tmp_path / str(number), name)) for name in FLOWS]
        more = ended(home) + chance.randrange(MOST_ENDS)
        with serving(home) as daemon:
            until(lambda more=more: ended(home) >= more or is_over_when_answered(run, home), "some ends")
            daemon.signal(signal.SIGKILL)
    with serving(home):
        until(lambda: is_over_when_answered(run, home), "the end of all")
    for name, diary in disturbed:
        assert story(home, diary) == wanted[name], f"{name} in {diary.parent}, seed {seed}"
    assert run("db", "check").exit_code == 0
    assert run("doctor").exit_code == 0
    assert rows(home, "SELECT count(*) FROM workflow_task WHERE status IN ('waiting', 'running')") == [(0,)]
