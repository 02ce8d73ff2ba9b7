"""Workflows as somebody looks at them: their tasks, and what runs for these. Nothing here writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.states import Status
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


@immutable(kw_only=True)
class TaskRow:
    """One task of a running or ended workflow, in one of its rounds."""

    id: int
    name: str
    iteration: int
    within: int | None
    """Row of the parallel task that it is nested in."""
    triggered_by: str | None
    status: str
    items: int | None
    """How many items it has; None where it has no `with_items`."""
    error: dict[str, Any] | None
    origin: int | None
    """Row in an earlier run of the workflow whose result counts."""
    created: Instant
    started: Instant | None
    finished: Instant | None


@immutable(kw_only=True)
class ChildCounts:
    """What runs for one task, counted by item; `attempts` is the highest of any."""

    completed: int = 0
    bad: int = 0
    live: int = 0
    attempts: int = 0


@immutable(kw_only=True)
class ChildRow:
    """One execution in the tree of another."""

    id: int
    parent: int
    workflow_task: int | None
    item: int
    attempt: int
    next_attempt: int | None
    action_ref: str
    status: Status
    timed_out: bool
    error: dict[str, Any] | None
    created: Instant
    started: Instant | None
    finished: Instant | None
    is_workflow: bool
    inquiry: dict[str, Any] | None
    """Its question, where it asked one: id, prompt, status."""


_CHILD_COLUMNS = """e.id, e.parent, e.workflow_task, e.item, e.attempt, e.next_attempt, e.action_ref, e.status,
 e.timed_out, e.error, e.created, e.started, e.finished,
 EXISTS (SELECT 1 FROM workflow_execution AS w WHERE w.execution = e.id), i.id, i.prompt, i.status"""
_CHILDREN = f"SELECT {_CHILD_COLUMNS} FROM execution AS e LEFT JOIN inquiry AS i ON i.execution = e.id"


def tasks(tx: Transaction, workflow: int) -> list[TaskRow]:
    """Return the tasks of a workflow's execution, in the order in which they came up."""
    rows = tx.execute(
        """SELECT id, name, iteration, within, triggered_by, status, json_array_length(items), error,
             origin, created, started, finished
           FROM workflow_task WHERE workflow = ? ORDER BY id""",
        (workflow,),
    ).fetchall()
    return [
        TaskRow(
            id=row[0], name=row[1], iteration=row[2], within=row[3], triggered_by=row[4], status=row[5],
            items=row[6], error=_json(row[7]), origin=row[8], created=row[9], started=row[10], finished=row[11],
        )
        for row in rows
    ]  # fmt: skip


def child_counts(tx: Transaction, workflow: int) -> dict[int, ChildCounts]:
    """Return, for each task of a workflow's execution, what runs and ran for it, in numbers."""
    rows = tx.execute(
        """SELECT workflow_task, sum(status = 'completed'),
             sum(finished IS NOT NULL AND status <> 'completed' AND next_attempt IS NULL),
             sum(finished IS NULL), max(attempt)
           FROM execution WHERE parent = ? AND workflow_task IS NOT NULL GROUP BY workflow_task""",
        (workflow,),
    ).fetchall()
    return {row[0]: ChildCounts(completed=row[1], bad=row[2], live=row[3], attempts=row[4]) for row in rows}


def children_of_task(tx: Transaction, task: int) -> list[ChildRow]:
    """Return what runs and ran for a task: each item, each attempt of it."""
    rows = tx.execute(f"{_CHILDREN} WHERE e.workflow_task = ? ORDER BY e.item, e.attempt", (task,)).fetchall()
    return [_child(row) for row in rows]


def notable_children_of_task(tx: Transaction, task: int, limit: int) -> list[ChildRow]:
    """Return at most `limit` items of a task that run or came to a bad end, the running ones first."""
    rows = tx.execute(
        f"""{_CHILDREN} WHERE e.workflow_task = ? AND e.status <> 'completed' AND e.next_attempt IS NULL
            ORDER BY e.finished IS NOT NULL, e.item LIMIT ?""",
        (task, limit),
    ).fetchall()
    return [_child(row) for row in rows]


def runs_inside(tx: Transaction, top: int) -> dict[int, list[ChildRow]]:
    """Return what was started from inside a run of a tree (and for no task), by the execution that started it."""
    found: dict[int, list[ChildRow]] = {}
    rows = tx.execute(
        f"{_CHILDREN} WHERE e.root = ? AND e.workflow_task IS NULL ORDER BY e.id", (top,)
    ).fetchall()
    for row in rows:
        found.setdefault(row[1], []).append(_child(row))
    return found


def paused(tx: Transaction, workflow: int) -> tuple[bool, str | None]:
    """Tell whether a workflow begins nothing new for now, and why."""
    row = tx.execute(
        "SELECT paused IS NOT NULL, pause_reason FROM workflow_execution WHERE execution = ?", (workflow,)
    ).fetchone()
    return (False, None) if row is None else (bool(row[0]), row[1])


def workflow_of_task(tx: Transaction, task: int) -> tuple[int, str] | None:
    """Return the execution of the workflow that a task belongs to, and the task's name."""
    row = tx.execute("SELECT workflow, name FROM workflow_task WHERE id = ?", (task,)).fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


def _child(row: tuple[Any, ...]) -> ChildRow:
    return ChildRow(
        id=row[0], parent=row[1], workflow_task=row[2], item=row[3], attempt=row[4], next_attempt=row[5],
        action_ref=row[6], status=Status(row[7]), timed_out=bool(row[8]), error=_json(row[9]), created=row[10],
        started=row[11], finished=row[12], is_workflow=bool(row[13]),
        inquiry=None if row[14] is None else {"id": row[14], "prompt": row[15], "status": row[16]},
    )  # fmt: skip


def _json(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)
