"""The executions that do the tasks of workflows: how they stand, and what they gave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.states import Status
from attune_cli.runtime.model.workflows.states import Child
from attune_cli.runtime.store.executions import STARTABLE_COLUMNS, Startable, startable_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction


def live(tx: Transaction, workflow: int) -> list[Startable]:
    """Return the executions of a workflow's tasks that are not over, oldest first."""
    rows = tx.execute(
        f"""SELECT {STARTABLE_COLUMNS} FROM execution
            WHERE parent = ? AND workflow_task IS NOT NULL AND finished IS NULL ORDER BY id""",
        (workflow,),
    ).fetchall()
    return [startable_of(row) for row in rows]


def any_live(tx: Transaction, workflow: int) -> bool:
    row = tx.execute(
        """SELECT EXISTS (SELECT 1 FROM workflow_task AS t JOIN execution AS e ON e.workflow_task = t.id
             WHERE t.workflow = ? AND t.finished IS NULL AND t.status IN ('running', 'waiting')
               AND e.finished IS NULL)""",
        (workflow,),
    ).fetchone()
    return bool(row[0])


def count_live(tx: Transaction, task_id: int) -> int:
    """Return how many executions of a task are not over; one that is to be tried again is among them."""
    row = tx.execute(
        "SELECT count(*) FROM execution WHERE workflow_task = ? AND finished IS NULL", (task_id,)
    ).fetchone()
    return int(row[0])


def next_item(tx: Transaction, task_id: int) -> int:
    """Return the first item that has no execution yet."""
    row = tx.execute(
        "SELECT item FROM execution WHERE workflow_task = ? ORDER BY item DESC LIMIT 1", (task_id,)
    ).fetchone()
    return 0 if row is None else int(row[0]) + 1


def extent(tx: Transaction, task_id: int) -> tuple[int, int]:
    """Return how many items of a task have an execution, and how many there were as far as these tell."""
    row = tx.execute(
        "SELECT count(DISTINCT item), coalesce(max(item) + 1, 0) FROM execution WHERE workflow_task = ?",
        (task_id,),
    ).fetchone()
    return int(row[0]), int(row[1])


def ended(tx: Transaction, task_id: int) -> list[Child]:
    """Return how the items of a task ended, in their order: the last attempt at each."""
    rows = tx.execute(
        """SELECT status, timed_out FROM execution
           WHERE workflow_task = ? AND next_attempt IS NULL ORDER BY item""",
        (task_id,),
    ).fetchall()
    return [Child(Status(status), bool(timed_out)) for status, timed_out in rows]


@immutable(kw_only=True)
class ChildResult:
    """What one item of a task gave."""

    execution: int
    status: Status
    result: dict[str, Any] | None
    sealed: bytes | None
    error: dict[str, str] | None


def results(tx: Transaction, task_id: int, item: int | None = None) -> list[ChildResult]:
    """Return what the items of a task gave, in their order, or what one did: the last attempt at each."""
    rows = tx.execute(
        """SELECT id, status, result, result_sealed, error FROM execution
           WHERE workflow_task = :task AND (:item IS NULL OR item = :item) AND next_attempt IS NULL
           ORDER BY item""",
        {"task": task_id, "item": item},
    ).fetchall()
    return [
        ChildResult(
            execution=row[0],
            status=Status(row[1]),
            result=None if row[2] is None else json.loads(row[2]),
            sealed=row[3],
            error=None if row[4] is None else json.loads(row[4]),
        )
        for row in rows
    ]


def results_bytes(tx: Transaction, task_id: int) -> int:
    """Return how long the results of a task are together."""
    row = tx.execute(
        """SELECT coalesce(sum(length(CAST(result AS BLOB))), 0) FROM execution
           WHERE workflow_task = ? AND next_attempt IS NULL""",
        (task_id,),
    ).fetchone()
    return int(row[0])


@immutable(kw_only=True)
class ChildFailure:
    """How one item of a task failed."""

    execution: int
    item: int
    error_type: str
    message: str


def first_failure(tx: Transaction, task_id: int) -> ChildFailure | None:
    """Return what failed first of a task, its attempts being over; what was only cancelled comes last."""
    row = tx.execute(
        """SELECT id, item, coalesce(json_extract(error, '$.type'), status),
             coalesce(json_extract(error, '$.message'), status)
           FROM execution
           WHERE workflow_task = ? AND next_attempt IS NULL AND finished IS NOT NULL AND status <> 'completed'
           ORDER BY status = 'cancelled', finished, item LIMIT 1""",
        (task_id,),
    ).fetchone()
    return (
        None
        if row is None
        else ChildFailure(execution=row[0], item=row[1], error_type=row[2], message=row[3])
    )
