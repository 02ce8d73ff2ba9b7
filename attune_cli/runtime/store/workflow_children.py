"""The executions that do the tasks of workflows: how they stand, and what they gave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.states import Status
from attune_cli.runtime.model.workflows.states import Child
from attune_cli.runtime.store.executions import STARTABLE_COLUMNS, Startable, startable_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Return the first item that has no execution yet, nor any after it."""
    row = tx.execute(
        "SELECT item FROM execution WHERE workflow_task = ? ORDER BY item DESC LIMIT 1", (task_id,)
    ).fetchone()
    return 0 if row is None else int(row[0]) + 1


def kept_items(tx: Transaction, sources: Sequence[int]) -> set[int]:
    """Return the items that earlier runs of a task have done."""
    rows = tx.execute(
        f"SELECT e.item FROM execution AS e WHERE {_last_of(sources[1:])} AND e.status = 'completed'",
        (json.dumps(sources[1:]),),
    ).fetchall()
    return {int(row[0]) for row in rows}


def _last_of(sources: Sequence[int]) -> str:
    """Return the condition for the last attempt at each item, in the latest of the runs of a task that came to it.

    Its one parameter is the rows of these runs as a JSON list, the latest first: that has the highest id.
    """
    last = "e.workflow_task IN (SELECT value FROM json_each(?1)) AND e.next_attempt IS NULL"
    if len(sources) < 2:  # noqa: PLR2004 - one run: there is no later one
        return last
    return f"""{last} AND NOT EXISTS (SELECT 1 FROM execution AS later
             WHERE later.workflow_task IN (SELECT value FROM json_each(?1))
               AND later.workflow_task > e.workflow_task AND later.item = e.item)"""


def extent(tx: Transaction, sources: Sequence[int]) -> tuple[int, int]:
    """Return how many items of a task have an execution, and how many there were as far as these tell."""
    row = tx.execute(
        """SELECT count(DISTINCT item), coalesce(max(item) + 1, 0) FROM execution
           WHERE workflow_task IN (SELECT value FROM json_each(?))""",
        (json.dumps(sources),),
    ).fetchone()
    return int(row[0]), int(row[1])


def ended(tx: Transaction, sources: Sequence[int]) -> list[Child]:
    """Return how the items of a task ended, in their order: the last attempt at each."""
    rows = tx.execute(
        f"SELECT e.status, e.timed_out FROM execution AS e WHERE {_last_of(sources)} ORDER BY e.item",
        (json.dumps(sources),),
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


def results(tx: Transaction, sources: Sequence[int], item: int | None = None) -> list[ChildResult]:
    """Return what the items of a task gave, in their order, or what one did: the last attempt at each."""
    rows = tx.execute(
        f"""SELECT e.id, e.status, e.result, e.result_sealed, e.error FROM execution AS e
            WHERE {_last_of(sources)} AND (?2 IS NULL OR e.item = ?2) ORDER BY e.item""",
        (json.dumps(sources), item),
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


def results_bytes(tx: Transaction, sources: Sequence[int]) -> int:
    """Return how long the results of a task are together."""
    row = tx.execute(
        f"""SELECT coalesce(sum(length(CAST(e.result AS BLOB))), 0) FROM execution AS e
            WHERE {_last_of(sources)}""",
        (json.dumps(sources),),
    ).fetchone()
    return int(row[0])


@immutable(kw_only=True)
class ChildFailure:
    """How one item of a task failed."""

    execution: int
    item: int
    error_type: str
    message: str


def first_failure(tx: Transaction, sources: Sequence[int]) -> ChildFailure | None:
    """Return what failed first of a task, its attempts being over; what was only cancelled comes last."""
    row = tx.execute(
        f"""SELECT e.id, e.item, coalesce(json_extract(e.error, '$.type'), e.status),
             coalesce(json_extract(e.error, '$.message'), e.status)
           FROM execution AS e
           WHERE {_last_of(sources)} AND e.finished IS NOT NULL AND e.status <> 'completed'
           ORDER BY e.status = 'cancelled', e.finished, e.item LIMIT 1""",
        (json.dumps(sources),),
    ).fetchone()
    return (
        None
        if row is None
        else ChildFailure(execution=row[0], item=row[1], error_type=row[2], message=row[3])
    )
