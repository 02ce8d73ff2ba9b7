"""Workflows as somebody looks at them: their tasks, and what runs for these. Nothing here writes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.states import Status
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


@immutable(kw_only=True)
class TreeTask:
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
    origin_workflow: int | None
    """The execution of that run."""
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
    action_ref: str | None = None
    kept: int = 0
    """Those of an earlier run."""


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


def tasks(tx: Transaction, workflow: int) -> list[TreeTask]:
    """Return the tasks of a workflow's execution, in the order in which they came up."""
    rows = tx.execute(
        """SELECT t.id, t.name, t.iteration, t.within, t.triggered_by, t.status, json_array_length(t.items), t.error,
             t.origin, o.workflow, t.created, t.started, t.finished
           FROM workflow_task AS t LEFT JOIN workflow_task AS o ON o.id = t.origin
           WHERE t.workflow = ? ORDER BY t.id""",
        (workflow,),
    ).fetchall()
    return [
        TreeTask(
            id=row[0], name=row[1], iteration=row[2], within=row[3], triggered_by=row[4], status=row[5],
            items=row[6], error=_json(row[7]), origin=row[8], origin_workflow=row[9],
            created=row[10], started=row[11], finished=row[12],
        )
        for row in rows
    ]  # fmt: skip


_COUNTED = """sum(e.status = 'completed'),
 sum(e.finished IS NOT NULL AND e.status <> 'completed' AND e.next_attempt IS NULL),
 sum(e.finished IS NULL), max(e.attempt), max(e.action_ref)"""

_OF_SOURCES = """(e.workflow_task = ?1 OR ((e.status = 'completed' OR EXISTS (
   SELECT 1 FROM workflow_task AS t WHERE t.id = ?1 AND t.finished = t.created
   AND NOT EXISTS (SELECT 1 FROM execution AS own WHERE own.workflow_task = t.id)))
 AND e.workflow_task IN (SELECT value FROM json_each(?2))
 AND NOT EXISTS (SELECT 1 FROM execution AS later WHERE later.workflow_task > e.workflow_task AND later.item = e.item
   AND (later.workflow_task = ?1 OR later.workflow_task IN (SELECT value FROM json_each(?2))))))"""
"""What runs and ran for a task, and what earlier runs have done of it: its row, and theirs as a JSON list.

Of a task that was taken over as it ended, what failed counts too; of one that begins again it does not.
"""


def child_counts(tx: Transaction, tasks: Sequence[int]) -> dict[int, ChildCounts]:
    """Return, for each of some tasks that go on from no earlier run, what runs and ran for it, in numbers."""
    rows = tx.execute(
        f"""SELECT e.workflow_task, {_COUNTED} FROM execution AS e
            WHERE e.workflow_task IN (SELECT value FROM json_each(?)) GROUP BY e.workflow_task""",
        (json.dumps(list(tasks)),),
    ).fetchall()
    return {row[0]: _counts(row[1:]) for row in rows}


def counts_of_sources(tx: Transaction, sources: Sequence[int]) -> ChildCounts:
    """Return the same of a task that goes on from earlier runs, by its row and theirs (workflow_tasks.sources)."""
    row = tx.execute(
        f"""SELECT {_COUNTED}, sum(e.workflow_task <> ?1 AND e.next_attempt IS NULL) FROM execution AS e
            WHERE {_OF_SOURCES}""",
        _parameters(sources),
    ).fetchone()
    return ChildCounts() if row[0] is None else replace(_counts(row), kept=row[5])


def _counts(row: tuple[Any, ...]) -> ChildCounts:
    return ChildCounts(completed=row[0], bad=row[1], live=row[2], attempts=row[3], action_ref=row[4])


def _parameters(sources: Sequence[int]) -> tuple[int, str]:
    return sources[0], json.dumps(list(sources[1:]))


def children_of_task(tx: Transaction, sources: Sequence[int]) -> list[ChildRow]:
    """Return what runs and ran for a task: each item, each attempt of it."""
    rows = tx.execute(
        f"{_CHILDREN} WHERE {_OF_SOURCES} ORDER BY e.item, e.attempt", _parameters(sources)
    ).fetchall()
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


@immutable(kw_only=True)
class Part:
    """An execution that some task of a workflow began."""

    id: int
    parent: int
    task: str
    iteration: int
    item: int | None
    """None where the task is done once."""
    status: Status
    waits: bool


def parts_since(tx: Transaction, workflows: Sequence[int], execution: int) -> list[Part]:
    """Return what the tasks of some workflows began with an id above `execution`, in order."""
    rows = tx.execute(
        """SELECT e.id, e.parent, t.name, t.iteration, CASE WHEN t.items IS NULL THEN NULL ELSE e.item END, e.status,
             e.waits
           FROM execution AS e JOIN workflow_task AS t ON t.id = e.workflow_task
           WHERE e.parent IN (SELECT value FROM json_each(?)) AND e.id > ? ORDER BY e.id""",
        (json.dumps(list(workflows)), execution),
    ).fetchall()
    return [
        Part(
            id=row[0], parent=row[1], task=row[2], iteration=row[3], item=row[4], status=Status(row[5]),
            waits=bool(row[6]),
        )
        for row in rows
    ]  # fmt: skip


def statuses(tx: Transaction, executions: Sequence[int]) -> dict[int, Status]:
    """Return how some executions stand; one that was deleted is left out."""
    rows = tx.execute(
        "SELECT id, status FROM execution WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(executions)),),
    ).fetchall()
    return {int(row[0]): Status(row[1]) for row in rows}


def paused(tx: Transaction, workflow: int) -> tuple[bool, str | None]:
    """Tell whether a workflow begins nothing new for now, and why."""
    row = tx.execute(
        "SELECT paused IS NOT NULL, pause_reason FROM workflow_execution WHERE execution = ?", (workflow,)
    ).fetchone()
    return (False, None) if row is None else (bool(row[0]), row[1])


def _child(row: tuple[Any, ...]) -> ChildRow:
    return ChildRow(
        id=row[0], parent=row[1], workflow_task=row[2], item=row[3], attempt=row[4], next_attempt=row[5],
        action_ref=row[6], status=Status(row[7]), timed_out=bool(row[8]), error=_json(row[9]), created=row[10],
        started=row[11], finished=row[12], is_workflow=bool(row[13]),
        inquiry=None if row[14] is None else {"id": row[14], "prompt": row[15], "status": row[16]},
    )  # fmt: skip


def _json(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)
