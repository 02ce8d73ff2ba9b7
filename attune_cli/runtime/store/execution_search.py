"""Finding executions for people: filters, pages, counts, and the deletion of what is old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.states import LIVE, TERMINAL
from attune_cli.runtime.store.executions import EXECUTION_COLUMNS, execution_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Transaction


@immutable(kw_only=True)
class Filter:
    """Which executions are meant; every given condition has to hold."""

    action_ref: str | None = None
    """A ref, or `pack.*`."""
    pack_ref: str | None = None
    workflow_ref: str | None = None
    """Begun by a task of this workflow."""
    rule_ref: str | None = None
    trigger_ref: str | None = None
    """Started by this rule, or because of an event of this trigger."""
    statuses: tuple[str, ...] = ()
    timed_out: bool = False
    """Those that ran out of time are meant too, whatever `statuses` says."""
    created_from: Instant | None = None
    created_until: Instant | None = None
    finished_until: Instant | None = None
    labels: tuple[tuple[str, str], ...] = ()
    parent: int | None = None
    top_level_only: bool = False
    result_contains: str | None = None
    after: int | None = None
    """Only ids below this one: how paging goes on, newest first."""
    limit: int | None = 20
    sort: str | None = None
    """One of SORTABLE, ascending and with what is absent last; None: by id, newest first."""
    reverse: bool = False


SORTABLE: dict[str, str] = {
    "id": "id",
    "action_ref": "action_ref",
    "status": "status",
    "error.type": "json_extract(error, '$.type')",
    "exit_code": "exit_code",
    "timed_out": "timed_out",
    "attempt": "attempt",
    "original_execution": "original_execution",
    "rerun_of": "rerun_of",
    "parent": "parent",
    "root": "coalesce(root, id)",
    "enforcement": "enforcement",
    "rule_ref": "rule_ref",
    "trigger_ref": "trigger_ref",
    "timeout_seconds": "timeout_seconds",
    "stdout.bytes": "stdout_bytes",
    "stdout.lines": "stdout_lines",
    "stderr.bytes": "stderr_bytes",
    "stderr.lines": "stderr_lines",
    "created": "created",
    "started_at": "started",
    "finished_at": "finished",
    "updated": "updated",
    "duration_ms": "finished - started",
}
"""What executions can be sorted by: a field of their record, and what it is in the table."""


def _where(criteria: Filter) -> tuple[str, tuple[object, ...]]:
    """Return the condition and its values."""
    needs = [*_of_origin(criteria), *_of_status(criteria), *_compared(criteria), *_of_content(criteria)]
    condition = " AND ".join(need for need, _ in needs) or "1"
    return condition, tuple(value for _, values in needs for value in values)


Need = tuple[str, tuple[object, ...]]


def _of_origin(criteria: Filter) -> list[Need]:
    needs: list[Need] = []
    if criteria.action_ref is not None:
        comparison = "GLOB" if criteria.action_ref.endswith(".*") else "="
        needs.append((f"action_ref {comparison} ?", (criteria.action_ref,)))
    if criteria.pack_ref is not None:
        needs.append(("action_ref GLOB ?", (f"{criteria.pack_ref}.*",)))
    if criteria.workflow_ref is not None:
        of_it = "workflow_task IS NOT NULL AND parent IN (SELECT id FROM execution WHERE action_ref = ?)"
        needs.append((of_it, (criteria.workflow_ref,)))
    if criteria.rule_ref is not None:
        needs.append(("rule_ref = ?", (criteria.rule_ref,)))
    if criteria.trigger_ref is not None:
        needs.append(("trigger_ref = ?", (criteria.trigger_ref,)))
    return needs


def _of_status(criteria: Filter) -> list[Need]:
    if not criteria.statuses and not criteria.timed_out:
        return []
    marks = ", ".join("?" for _ in criteria.statuses)
    needs: list[Need] = [
        (f"(status IN ({marks}){' OR timed_out' if criteria.timed_out else ''})", criteria.statuses)
    ]
    # Said again in terms of `finished`, so that the index of ended or of live rows can be used.
    if TERMINAL.issuperset(criteria.statuses):
        needs.append(("finished IS NOT NULL", ()))
    elif LIVE.issuperset(criteria.statuses) and not criteria.timed_out:
        needs.append(("finished IS NULL AND waits IN (0, 1)", ()))
    return needs


def _compared(criteria: Filter) -> list[Need]:
    compared = (
        ("created >= ?", criteria.created_from),
        ("created <= ?", criteria.created_until),
        ("finished <= ?", criteria.finished_until),
        ("parent = ?", criteria.parent),
        ("id < ?", criteria.after),
    )
    return [(need, (value,)) for need, value in compared if value is not None]


def _of_content(criteria: Filter) -> list[Need]:
    has_label = "EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)"
    needs: list[Need] = [(has_label, label) for label in criteria.labels]
    if criteria.top_level_only:
        needs.append(("parent IS NULL", ()))
    if criteria.result_contains is not None:
        needs.append(("instr(result, ?) > 0", (criteria.result_contains,)))
    return needs


def _order(criteria: Filter) -> str:
    if criteria.sort in (None, "id"):
        # Without a sort the newest is first, and reversing that puts the oldest there.
        return "id ASC" if (criteria.sort is None) == criteria.reverse else "id DESC"
    value = SORTABLE[criteria.sort]
    return f"{value} IS NULL, {value} {'DESC' if criteria.reverse else 'ASC'}, id DESC"


def search(tx: Transaction, criteria: Filter) -> list[Execution]:
    """Return the executions that are meant, newest first unless asked otherwise."""
    where, values = _where(criteria)
    rows = tx.execute(
        f"SELECT {EXECUTION_COLUMNS} FROM execution WHERE {where} ORDER BY {_order(criteria)} LIMIT ?",
        (*values, -1 if criteria.limit is None else criteria.limit),
    ).fetchall()
    return [execution_of(row) for row in rows]


def count(tx: Transaction, criteria: Filter) -> int:
    """Return how many executions are meant, whatever the limit."""
    where, values = _where(criteria)
    return int(tx.execute(f"SELECT count(*) FROM execution WHERE {where}", tuple(values)).fetchone()[0])


def newest(tx: Transaction, *, action_ref: str | None = None, statuses: tuple[str, ...] = ()) -> int | None:
    """Return the newest execution, of some statuses when given: of one action, or of what others did not begin."""
    criteria = Filter(action_ref=action_ref, statuses=statuses, top_level_only=action_ref is None)
    where, values = _where(criteria)
    row = tx.execute(f"SELECT max(id) FROM execution WHERE {where}", tuple(values)).fetchone()
    return row[0]


def newest_with_output(tx: Transaction, root: int) -> int | None:
    """Return the newest ended execution of a tree that has written something."""
    row = tx.execute(
        """SELECT id FROM execution WHERE (root = :root OR id = :root) AND finished IS NOT NULL
             AND (stdout_bytes > 0 OR stderr_bytes > 0) ORDER BY id DESC LIMIT 1""",
        {"root": root},
    ).fetchone()
    return None if row is None else int(row[0])


def attempts(tx: Transaction, first_attempt: int) -> list[int]:
    """Return the ids of all attempts, in order."""
    rows = tx.execute(
        "SELECT id FROM execution WHERE id = ? OR original_execution = ? ORDER BY attempt",
        (first_attempt, first_attempt),
    ).fetchall()
    return [int(row[0]) for row in rows]


def durations(tx: Transaction, *, by: str, since: Instant | None) -> list[tuple[str, str, int | None]]:
    """Return group, status and run time in milliseconds of the executions created since `since`."""
    column = {"action": "action_ref", "status": "status", "day": "date(created / 1000000, 'unixepoch')"}[by]
    return tx.execute(
        f"SELECT {column}, status, (finished - started) / 1000 FROM execution WHERE created >= ?",
        (since or 0,),
    ).fetchall()


@immutable
class Swept:
    """A part of a deletion: the ids that are gone, and the lowest that was looked at (None: there was no more)."""

    gone: list[int]
    lowest: int | None


def delete_ended(tx: Transaction, criteria: Filter, *, keep: int, limit: int) -> Swept:
    """Delete what ended and is meant, newest first, so that what hangs on an execution goes before it.

    What something that stays hangs on stays too: a tree or a chain of attempts that goes on, the first of attempts
    of which another is kept, the parent of a child that is not meant.
    """
    where, values = _where(criteria)
    rows = tx.execute(
        f"""SELECT id, EXISTS (SELECT 1 FROM execution AS live WHERE live.finished IS NULL
                AND (live.root IN (e.id, e.root) OR live.id = e.root
                     OR coalesce(live.original_execution, live.id) = coalesce(e.original_execution, e.id)))
            FROM execution AS e WHERE finished IS NOT NULL AND {where}
              AND id NOT IN (SELECT id FROM execution ORDER BY id DESC LIMIT ?)
            ORDER BY id DESC LIMIT ?""",
        (*values, keep, limit),
    ).fetchall()
    gone = [execution for execution, goes_on in rows if not goes_on and _delete_unless_needed(tx, execution)]
    return Swept(gone, rows[-1][0] if rows else None)


def _delete_unless_needed(tx: Transaction, execution_id: int) -> bool:
    """Delete one execution that no other one names or takes results from; tells whether it is gone."""
    deleted = tx.changed(
        """DELETE FROM execution WHERE id = :id
             AND NOT EXISTS (SELECT 1 FROM execution WHERE parent = :id)
             AND NOT EXISTS (SELECT 1 FROM execution WHERE root = :id)
             AND NOT EXISTS (SELECT 1 FROM execution WHERE original_execution = :id)
             AND NOT EXISTS (
               WITH RECURSIVE heir (id, workflow) AS (
                 SELECT t.id, t.workflow FROM workflow_task AS t WHERE t.origin IN (
                   SELECT workflow_task FROM execution WHERE id = :id
                   UNION SELECT id FROM workflow_task WHERE workflow = :id)
                 UNION SELECT t.id, t.workflow FROM workflow_task AS t JOIN heir ON t.origin = heir.id)
               SELECT 1 FROM heir JOIN execution AS later ON later.id = heir.workflow
               WHERE later.finished IS NULL)""",
        {"id": execution_id},
    )
    if deleted:
        tx.execute("DELETE FROM execution_history WHERE execution = ?", (execution_id,))
    return deleted


def live_counts(tx: Transaction) -> dict[str, int]:
    """Count the executions that are not over, by status."""
    rows = tx.execute(
        """SELECT status, count(*) FROM execution WHERE finished IS NULL AND waits IN (0, 1)
           GROUP BY status ORDER BY status"""
    ).fetchall()
    return {status: int(number) for status, number in rows}


def count_started_by(tx: Transaction, host: str) -> int:
    """Count what a host has started and what is not over."""
    row = tx.execute(
        """SELECT count(*) FROM execution WHERE finished IS NULL AND waits = 0 AND host = ?
             AND status IN ('scheduled', 'running', 'canceling')""",
        (host,),
    ).fetchone()
    return int(row[0])
