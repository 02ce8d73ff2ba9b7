"""Workflows that go on: every statement that reads or writes `workflow_execution`, except for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.store.executions import STARTABLE_COLUMNS, Startable, dump, startable_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


_FEW = 10
"""Times that are looked at for the next one of a host: others may have ten thousand before it."""


@immutable(kw_only=True)
class Workflow:
    """The state of a workflow beside its execution."""

    execution: int
    variables: dict[str, Any]
    sealed: bytes | None
    """Secret variables by JSON pointer."""
    is_paused: bool
    faults: list[dict[str, str]]
    """What went wrong between tasks: `task`, `field`, `message`."""
    closing: dict[str, Any] | None
    """How it ends once all below it is over: `status`, `error`, `timed_out`."""


def insert(
    tx: Transaction,
    execution: int,
    *,
    variables: dict[str, Any],
    sealed: bytes | None,
    due: Instant | None = 0,
) -> None:
    """Make the state of a workflow; a paused one above it pauses it from the start."""
    tx.execute(
        """INSERT INTO workflow_execution (execution, variables, sealed, due, paused, pause_reason)
           SELECT :id, :variables, :sealed, :due, above.paused, above.pause_reason
           FROM execution AS e LEFT JOIN workflow_execution AS above ON above.execution = e.parent
           WHERE e.id = :id""",
        {"id": execution, "variables": dump(variables), "sealed": sealed, "due": due},
    )


def get(tx: Transaction, execution: int) -> Workflow | None:
    """Return the state of a workflow; None when it has not begun, or is none."""
    row = tx.execute(
        """SELECT execution, variables, sealed, paused IS NOT NULL, faults, closing FROM workflow_execution
           WHERE execution = ?""",
        (execution,),
    ).fetchone()
    if row is None:
        return None
    return Workflow(
        execution=row[0],
        variables=json.loads(row[1]),
        sealed=row[2],
        is_paused=bool(row[3]),
        faults=json.loads(row[4]),
        closing=None if row[5] is None else json.loads(row[5]),
    )


def due(tx: Transaction, host: str, *, ownerless_too: bool, limit: int) -> list[Startable]:
    """Return workflows that go on and have to be looked at now."""
    columns = ", ".join(f"e.{name.strip()}" for name in STARTABLE_COLUMNS.split(","))
    rows = tx.execute(
        f"""SELECT {columns} FROM workflow_execution AS w CROSS JOIN execution AS e ON e.id = w.execution
            WHERE w.due <= :now AND {_is_of(ownerless_too=ownerless_too)} ORDER BY w.due, e.id LIMIT :limit""",
        {"host": host, "now": tx.now, "limit": limit},
    ).fetchall()
    return [startable_of(row) for row in rows]


def next_due(tx: Transaction, host: str, *, ownerless_too: bool) -> Instant | None:
    """Return when workflows have to be looked at next though nothing happens; now when some are due.

    Looks at the next few of all hosts: where none of these is meant it returns when they are over, which is early
    enough.
    """
    if due(tx, host, ownerless_too=ownerless_too, limit=1):
        return tx.now
    rows = tx.execute(
        f"""SELECT w.due, {_is_of(ownerless_too=ownerless_too)}
            FROM (SELECT execution, due FROM workflow_execution WHERE due > :now ORDER BY due LIMIT :few) AS w
            CROSS JOIN execution AS e ON e.id = w.execution ORDER BY w.due""",
        {"host": host, "now": tx.now, "few": _FEW},
    ).fetchall()
    own = next((instant for instant, is_own in rows if is_own), None)
    return rows[-1][0] if own is None and len(rows) == _FEW else own


def _is_of(*, ownerless_too: bool) -> str:
    owner = "(e.host = :host OR e.host IS NULL)" if ownerless_too else "e.host = :host"
    return f"({owner} AND e.finished IS NULL AND e.status IN ('running', 'canceling'))"


def set_due(tx: Transaction, execution: int, due: Instant | None) -> None:
    """Say when to look at a workflow again; None: when one of its executions ends."""
    tx.execute("UPDATE workflow_execution SET due = ? WHERE execution = ?", (due, execution))


def set_variables(tx: Transaction, execution: int, variables: dict[str, Any], sealed: bytes | None) -> None:
    tx.execute(
        "UPDATE workflow_execution SET variables = ?, sealed = ? WHERE execution = ?",
        (dump(variables), sealed, execution),
    )


def set_faults(tx: Transaction, execution: int, faults: list[dict[str, str]]) -> None:
    tx.execute("UPDATE workflow_execution SET faults = ? WHERE execution = ?", (dump(faults), execution))


def close(tx: Transaction, execution: int, closing: dict[str, Any]) -> bool:
    """Say how a workflow ends once all below it is over; the first that says so counts."""
    return tx.changed(
        "UPDATE workflow_execution SET closing = ? WHERE execution = ? AND closing IS NULL",
        (dump(closing), execution),
    )


def pause(tx: Transaction, execution: int, reason: str | None) -> bool:
    """Begin nothing more in a workflow; False when it is paused already."""
    return tx.changed(
        """UPDATE workflow_execution SET paused = ?, pause_reason = ?
           WHERE execution = ? AND paused IS NULL""",
        (tx.now, reason, execution),
    )


def resume(tx: Transaction, execution: int) -> bool:
    """Go on; False when it was not paused."""
    return tx.changed(
        """UPDATE workflow_execution SET paused = NULL, pause_reason = NULL, due = 0
           WHERE execution = ? AND paused IS NOT NULL""",
        (execution,),
    )


def ownerless_canceling(tx: Transaction) -> list[int]:
    """Return the workflows that are being cancelled and that nobody owns, the lower ones first."""
    rows = tx.execute(
        """SELECT e.id FROM execution AS e JOIN workflow_execution AS w ON w.execution = e.id
           WHERE e.waits AND e.finished IS NULL AND e.host IS NULL AND e.status = 'canceling' ORDER BY e.id DESC"""
    ).fetchall()
    return [int(row[0]) for row in rows]


def live_below(tx: Transaction, execution: int) -> list[int]:
    """Return the workflows that have begun and go on among an execution and all below it, the upper ones first."""
    rows = tx.execute(
        """WITH RECURSIVE meant (id, below) AS (
             SELECT :id, 0
             UNION SELECT child.id, meant.below + 1 FROM execution AS child JOIN meant ON child.parent = meant.id)
           SELECT w.execution FROM meant JOIN workflow_execution AS w ON w.execution = meant.id
           JOIN execution AS e ON e.id = w.execution WHERE e.finished IS NULL ORDER BY meant.below, w.execution""",
        {"id": execution},
    ).fetchall()
    return [int(row[0]) for row in rows]


def ended_and_open(tx: Transaction) -> list[int]:
    """Return the workflows that are over though tasks of theirs are open or they are to be looked at."""
    rows = tx.execute(
        """SELECT w.execution FROM workflow_execution AS w JOIN execution AS e ON e.id = w.execution
           WHERE e.finished IS NOT NULL AND (w.due IS NOT NULL OR EXISTS (
             SELECT 1 FROM workflow_task AS t WHERE t.workflow = w.execution AND t.finished IS NULL
               AND t.status IN ('waiting', 'running')))"""
    ).fetchall()
    return [int(row[0]) for row in rows]


def nesting(tx: Transaction, execution: int, limit: int) -> int:
    """Return how many workflows stand above an execution, itself included; counts to `limit` at most."""
    row = tx.execute(
        """WITH RECURSIVE above (id, parent, number) AS (
             SELECT id, parent, 1 FROM execution WHERE id = :id
             UNION ALL SELECT e.id, e.parent, number + 1 FROM execution AS e JOIN above ON e.id = above.parent
             WHERE number < :limit)
           SELECT count(*) FROM above JOIN workflow_execution AS w ON w.execution = above.id""",
        {"id": execution, "limit": limit},
    ).fetchone()
    return int(row[0])
