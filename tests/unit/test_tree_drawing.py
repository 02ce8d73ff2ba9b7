from __future__ import annotations

from typing import Any

import pytest

from attune_cli.drawing.marks import UNICODE
from attune_cli.drawing.tree import TreeDrawing
from attune_cli.table import display_width

TIMES: dict[str, Any] = {"duration_ms": 1200, "started_at": None, "finished_at": None}
EXECUTION: dict[str, Any] = {
    "id": 123456, "action_ref": "ops.deploy_everything", "paused": False, "pause_reason": None, "status": "failed",
    "timed_out": False, "attempt": 1, "error": {"type": "exit", "message": "no space left " * 9}, "children": [],
    **TIMES,
}  # fmt: skip


def task(name: str, *nested: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name, "iteration": 1, "status": "failed", "items": None, "attempts": 3, "origin": None, "error": None,
        "executions": [], "tasks": list(nested), **TIMES,
    }  # fmt: skip


def deep(levels: int) -> dict[str, Any]:
    return task(f"level_{levels}_" + "x" * 60, *([deep(levels - 1)] if levels else []))


@pytest.mark.parametrize("width", [1, 2, 9, 24, 39, 79, 200])
def test_no_line_of_a_live_tree_is_wider_than_the_terminal(width: int) -> None:
    drawing = TreeDrawing(width=width, marks=UNICODE, now=0, one_line_each=True)
    lines = drawing.lines(EXECUTION | {"tasks": [task("short"), deep(25), task("長い名前" * 20)]})
    assert max(display_width(line) for line in lines) <= max(width, 2)
    assert len(lines) == 1 + 1 + 26 + 1
