"""The tasks of workflows: every statement that reads or writes `workflow_task`, except for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.workflows.states import FAILURES, OPEN, TaskStatus
from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.workflow_trees import TreeTask


@immutable(kw_only=True)
class TaskRow:
    """One task in one round of a workflow, without its items, which may be many."""

    id: int
    workflow: int
    name: str
    iteration: int
    within: int | None
    triggered_by: str | None
    arrivals: list[str]
    status: TaskStatus
    handled: bool
    error: dict[str, str] | None
    origin: int | None
    created: Instant
    finished: Instant | None
    has_items: bool

    @property
    def source(self) -> int:
        """The row whose executions tell what it gave."""
        return self.origin or self.id


_TASK_COLUMNS = """id, workflow, name, iteration, within, triggered_by, arrivals, status, handled, error, origin,
 created, finished, items IS NOT NULL"""


def _task_of(row: tuple[Any, ...]) -> TaskRow:
    return TaskRow(
        id=row[0], workflow=row[1], name=row[2], iteration=row[3], within=row[4], triggered_by=row[5],
        arrivals=json.loads(row[6]), status=TaskStatus(row[7]), handled=bool(row[8]),
        error=None if row[9] is None else json.loads(row[9]), origin=row[10], created=row[11], finished=row[12],
        has_items=bool(row[13]),
    )  # fmt: skip


def insert(
    tx: Transaction,
    workflow: int,
    name: str,
    iteration: int,
    *,
    status: TaskStatus,
    triggered_by: str | None = None,
    within: int | None = None,
) -> TaskRow:
    """Make the row of a task: `waiting`, `running` or `skipped`."""
    started = tx.now if status is TaskStatus.RUNNING else None
    finished = tx.now if status is TaskStatus.SKIPPED else None
    arrivals = dump([] if triggered_by is None else [triggered_by])
    row = tx.execute(
        f"""INSERT INTO workflow_task (workflow, name, iteration, within, triggered_by, arrivals, status, created,
              started, finished)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {_TASK_COLUMNS}""",
        (workflow, name, iteration, within, triggered_by, arrivals, status, tx.now, started, finished),
    ).fetchone()
    return _task_of(row)


def copy(
    tx: Transaction,
    row: TaskRow,
    workflow: int,
    *,
    status: TaskStatus,
    handled: bool,
    within: int | None,
    origin: int | None,
) -> int:
    """Take a task of an earlier run over into another, with its results unless it is to begin again (`waiting`).

    `origin` is the row whose results count. Returns the id of its row.
    """
    cursor = tx.execute(
        """INSERT INTO workflow_task (workflow, name, iteration, within, triggered_by, arrivals, status, handled, error,
             origin, created, started, finished, items, items_sealed)
           SELECT :workflow, name, iteration, :within, triggered_by, arrivals, :status, :handled,
             iif(:kept, error, NULL), :origin, :now, iif(:kept, :now, NULL),
             iif(:over, :now, NULL), iif(:kept, items, NULL), iif(:kept, items_sealed, NULL)
           FROM workflow_task WHERE id = :id""",
        {
            "workflow": workflow, "within": within, "origin": origin, "status": status, "handled": handled,
            "kept": status is not TaskStatus.WAITING, "over": status not in OPEN, "now": tx.now, "id": row.id,
        },
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


def at(tx: Transaction, workflow: int, name: str, iteration: int) -> TaskRow | None:
    """Return a task in one round."""
    row = tx.execute(
        f"SELECT {_TASK_COLUMNS} FROM workflow_task WHERE workflow = ? AND name = ? AND iteration = ?",
        (workflow, name, iteration),
    ).fetchone()
    return None if row is None else _task_of(row)


def by_id(tx: Transaction, task_id: int) -> TaskRow | None:
    """Return a task by the id of its row."""
    row = tx.execute(f"SELECT {_TASK_COLUMNS} FROM workflow_task WHERE id = ?", (task_id,)).fetchone()
    return None if row is None else _task_of(row)


def latest_of(tx: Transaction, workflow: int, names: Sequence[str]) -> list[TaskRow]:
    """Return those of some tasks to which something has led, each in its latest round."""
    columns = ", ".join(f"t.{name.strip()}" for name in _TASK_COLUMNS.split(","))
    rows = tx.execute(
        f"""SELECT {columns} FROM json_each(:names) AS named
            JOIN workflow_task AS t ON t.workflow = :workflow AND t.name = named.value
             AND t.iteration = (SELECT max(iteration) FROM workflow_task
                                WHERE workflow = :workflow AND name = named.value)""",
        {"names": dump(list(names)), "workflow": workflow},
    ).fetchall()
    return [_task_of(row) for row in rows]


def latest(tx: Transaction, workflow: int, name: str) -> TaskRow | None:
    """Return a task in its latest round."""
    row = tx.execute(
        f"""SELECT {_TASK_COLUMNS} FROM workflow_task WHERE workflow = ? AND name = ?
            ORDER BY iteration DESC LIMIT 1""",
        (workflow, name),
    ).fetchone()
    return None if row is None else _task_of(row)


def latest_over(tx: Transaction, workflow: int, name: str) -> TaskRow | None:
    """Return a task in the latest round in which it is over."""
    row = tx.execute(
        f"""SELECT {_TASK_COLUMNS} FROM workflow_task WHERE workflow = ? AND name = ? AND finished IS NOT NULL
            ORDER BY iteration DESC LIMIT 1""",
        (workflow, name),
    ).fetchone()
    return None if row is None else _task_of(row)


def first_iteration(tx: Transaction, workflow: int, name: str) -> int | None:
    """Return the round in which a task ran first; None when it never did."""
    row = tx.execute(
        "SELECT min(iteration) FROM workflow_task WHERE workflow = ? AND name = ?", (workflow, name)
    ).fetchone()
    return row[0]


def previous_id(tx: Transaction, workflow: int, row: TaskRow) -> int:
    """Return the id of the row that the same task had before this one; 0 when it had none."""
    found = tx.execute(
        "SELECT max(id) FROM workflow_task WHERE workflow = ? AND name = ? AND id < ?",
        (workflow, row.name, row.id),
    ).fetchone()
    return int(found[0] or 0)


def all_of(tx: Transaction, workflow: int) -> list[TaskRow]:
    """Return all that became of a workflow's tasks, in the order in which they came up."""
    rows = tx.execute(
        f"SELECT {_TASK_COLUMNS} FROM workflow_task WHERE workflow = ? ORDER BY id", (workflow,)
    ).fetchall()
    return [_task_of(row) for row in rows]


def waiting(tx: Transaction, workflow: int) -> list[TaskRow]:
    """Return the tasks to which something has led and which have not begun, in the order in which they came up."""
    return _open(tx, workflow, TaskStatus.WAITING)


def running(tx: Transaction, workflow: int) -> list[TaskRow]:
    return _open(tx, workflow, TaskStatus.RUNNING)


def _open(tx: Transaction, workflow: int, status: TaskStatus) -> list[TaskRow]:
    rows = tx.execute(
        f"""SELECT {_TASK_COLUMNS} FROM workflow_task WHERE workflow = ? AND status = ? AND finished IS NULL
            ORDER BY id""",
        (workflow, status),
    ).fetchall()
    return [_task_of(row) for row in rows]


def is_running(tx: Transaction, workflow: int) -> bool:
    """Tell whether any task of a workflow runs."""
    row = tx.execute(
        """SELECT EXISTS (SELECT 1 FROM workflow_task WHERE workflow = ? AND status = 'running'
             AND finished IS NULL)""",
        (workflow,),
    ).fetchone()
    return bool(row[0])


def sources(tx: Transaction, row: TaskRow | TreeTask) -> list[int]:
    """Return the rows whose executions tell what a task gave: its own, then those of the runs that it goes on from."""
    if row.origin is None:
        return [row.id]
    rows = tx.execute(
        """WITH RECURSIVE source (id, place) AS (
             SELECT ?, 0
             UNION ALL SELECT t.origin, place + 1 FROM source JOIN workflow_task AS t ON t.id = source.id
             WHERE t.origin IS NOT NULL)
           SELECT id FROM source ORDER BY place""",
        (row.id,),
    ).fetchall()
    return [int(one[0]) for one in rows]


def forget_origin(tx: Transaction, task_id: int) -> None:
    """Say that nothing of an earlier run counts for a task."""
    tx.execute("UPDATE workflow_task SET origin = NULL WHERE id = ?", (task_id,))


def nested(tx: Transaction, parallel: int) -> list[TaskRow]:
    """Return the tasks nested in a parallel one, in the order in which they came up."""
    rows = tx.execute(
        f"SELECT {_TASK_COLUMNS} FROM workflow_task WHERE within = ? ORDER BY id", (parallel,)
    ).fetchall()
    return [_task_of(row) for row in rows]


def add_arrival(tx: Transaction, row: TaskRow, origin: str) -> None:
    arrivals = [*row.arrivals, *([] if origin in row.arrivals else [origin])]
    tx.execute("UPDATE workflow_task SET arrivals = ? WHERE id = ?", (dump(arrivals), row.id))


def begin(tx: Transaction, task_id: int) -> bool:
    """`waiting` → `running`."""
    return tx.changed(
        "UPDATE workflow_task SET status = 'running', started = ? WHERE id = ? AND status = 'waiting'",
        (tx.now, task_id),
    )


def end(
    tx: Transaction,
    task_id: int,
    status: TaskStatus,
    *,
    handled: bool = False,
    error: dict[str, str] | None = None,
) -> bool:
    """End an open task."""
    return tx.changed(
        """UPDATE workflow_task SET status = ?, handled = ?, error = ?, finished = ?
           WHERE id = ? AND finished IS NULL""",
        (status, handled, None if error is None else dump(error), tx.now, task_id),
    )


def set_error(tx: Transaction, task_id: int, error: dict[str, str]) -> None:
    """Say why a task begins no more of its items, while some of them run."""
    tx.execute("UPDATE workflow_task SET error = ? WHERE id = ?", (dump(error), task_id))


def end_open(tx: Transaction, workflow: int) -> None:
    """End, as cancelled, what a workflow that ends leaves open."""
    tx.execute(
        """UPDATE workflow_task SET status = 'cancelled', finished = ?
           WHERE workflow = ? AND finished IS NULL AND status IN ('waiting', 'running')""",
        (tx.now, workflow),
    )


def set_handled(tx: Transaction, task_id: int) -> None:
    """Say that what follows a task was begun."""
    tx.execute("UPDATE workflow_task SET handled = 1 WHERE id = ?", (task_id,))


def failed(tx: Transaction, workflow: int) -> list[TaskRow]:
    """Return the tasks that failed and led nowhere, nested ones through theirs, as their failures happened.

    Many may be found to be over in one tick, so what ran for them tells which was first.
    """
    marks = ", ".join(f"'{status}'" for status in sorted(FAILURES))
    rows = tx.execute(
        f"""SELECT {_TASK_COLUMNS} FROM workflow_task AS t WHERE workflow = ? AND status IN ({marks})
              AND finished IS NOT NULL AND NOT handled AND within IS NULL
            ORDER BY coalesce((SELECT min(e.finished) FROM execution AS e
                WHERE e.workflow_task = coalesce(t.origin, t.id) AND e.next_attempt IS NULL
                  AND e.status <> 'completed'), finished), id""",
        (workflow,),
    ).fetchall()
    return [_task_of(row) for row in rows]


def set_items(tx: Transaction, task_id: int, items: list[Any], sealed: bytes | None) -> None:
    """Pin what a task is done with, one after another."""
    tx.execute(
        "UPDATE workflow_task SET items = ?, items_sealed = ? WHERE id = ?", (dump(items), sealed, task_id)
    )


def items(tx: Transaction, task_id: int) -> tuple[list[Any], bytes | None]:
    """Return what a task is done with, and its secret values, sealed."""
    row = tx.execute("SELECT items, items_sealed FROM workflow_task WHERE id = ?", (task_id,)).fetchone()
    return json.loads(row[0]), row[1]


def began_in_midst(tx: Transaction, workflow: int) -> bool:
    """Tell whether a workflow was begun at a task, or where an earlier run of it failed."""
    row = tx.execute(
        """SELECT EXISTS (SELECT 1 FROM workflow_task WHERE workflow = ?
             AND (origin IS NOT NULL OR (status = 'skipped' AND started IS NULL)))""",
        (workflow,),
    ).fetchone()
    return bool(row[0])


def count_items(tx: Transaction, task_id: int) -> int:
    """Return how many things a task is done with: 1 where it is done once."""
    row = tx.execute(
        "SELECT coalesce(json_array_length(items), 1) FROM workflow_task WHERE id = ?", (task_id,)
    ).fetchone()
    return int(row[0])


def name_of(tx: Transaction, task_id: int) -> str | None:
    row = tx.execute("SELECT name FROM workflow_task WHERE id = ?", (task_id,)).fetchone()
    return None if row is None else str(row[0])
