from __future__ import annotations

from typing import Any

import pytest

from attune_cli.drawing.marks import UNICODE
from attune_cli.drawing.timeline import Timeline
from attune_cli.runtime.clock import rfc3339
from attune_cli.table import display_width

SECOND = 1_000_000


def between(first: int, last: int) -> dict[str, Any]:
    return {"started_at": rfc3339(first * SECOND), "finished_at": rfc3339(last * SECOND)}


def task(
    name: str, span: tuple[int, int], *runs: tuple[int, int], origin: int | None = None
) -> dict[str, Any]:
    return {
        "name": name, "iteration": 1, "status": "completed", "items": len(runs), "origin": origin, "tasks": [],
        "executions": [between(*run) for run in runs], **between(*span),
    }  # fmt: skip


def drawn(width: int, *tasks: dict[str, Any]) -> list[str]:
    return Timeline(width=width, marks=UNICODE, now=0).lines({"tasks": list(tasks), **between(10, 20)})


@pytest.mark.parametrize("width", [36, 40, 79])
def test_a_long_name_is_cut_where_the_bar_would_not_fit(width: int) -> None:
    lines = drawn(width, task("short", (10, 15), (10, 15)), task("x" * 100, (15, 20), (15, 20)))
    assert max(display_width(line) for line in lines) <= width


def test_of_a_task_that_an_earlier_run_did_in_part_only_what_this_one_did_is_drawn() -> None:
    (_, line) = drawn(
        40, task("part", (15, 20), (1, 2), (15, 20), origin=3), task("kept", (10, 10), (1, 2), origin=3)
    )
    bar = line.removeprefix("part  ").partition("  5")[0]
    assert (bar.count("█"), bar.lstrip()[0]) == (12, "█")
