"""Executions: every statement that reads or writes the table `execution`.

A status changes by compare-and-set on the old status and the owner; the caller is told whether it landed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.entities import Execution, Outcome, RunError, StatusChange, Stream, TaskPlace
from attune_cli.runtime.model.states import Status
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction

EXECUTION_COLUMNS = """id, action_ref, job, status, host, runner_ref, parent, root, original_execution, next_attempt,
 attempt, rerun_of, parameters, labels, timeout_seconds, due, limit_group, limit_size, idempotency_key,
 cancel_requested, cancel_reason, exit_code, timed_out, error, result, stdout_bytes, stdout_lines,
 stdout_dropped_bytes, stderr_bytes, stderr_lines, stderr_dropped_bytes, created, started, finished, updated,
 enforcement, rule_ref, trigger_ref, depth, waits, workflow_task, item, executor,
 (SELECT json_object('name', t.name, 'iteration', t.iteration, 'triggered_by', t.triggered_by, 'max_retries',
    coalesce((SELECT json_extract(definition, '$.action.retry.count') FROM job WHERE id = execution.job), 0))
  FROM workflow_task AS t WHERE t.id = execution.workflow_task)"""


_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
"""Made once: json.dumps would make one for each call."""


def dump(value: object) -> str:
    """Return compact JSON text, as every JSON column holds it."""
    return _encoder.encode(value)


@immutable(kw_only=True)
class NewExecution:
    """What a row begins with."""

    action_ref: str
    job: int
    host: str | None
    parameters: str = "{}"
    sealed: bytes | None = None
    environment: str = "[]"
    labels: str = "{}"
    timeout_seconds: float | None = None
    due: Instant = 0
    """0: at once."""
    limit_group: str | None = None
    limit_size: int | None = None
    idempotency_key: str | None = None
    parent: int | None = None
    root: int | None = None
    original_execution: int | None = None
    attempt: int = 1
    rerun_of: int | None = None
    nested: bool = False
    enforcement: int | None = None
    rule_ref: str | None = None
    trigger_ref: str | None = None
    depth: int = 0
    waits: bool = False
    workflow_task: int | None = None
    item: int = 0
    executor: str | None = None


@immutable(kw_only=True)
class Startable:
    """What the engine needs to know of an execution to start, stop or settle its run."""

    id: int
    action_ref: str
    job: int
    status: Status
    host: str | None
    runner_ref: str | None
    attempt: int
    original_execution: int | None
    parent: int | None
    root: int | None
    parameters: str
    sealed: bytes | None
    environment: str
    timeout_seconds: float | None
    limit_group: str | None
    limit_size: int | None
    cancel_requested: Instant | None
    nested: bool
    waits: bool
    workflow_task: int | None
    item: int
    executor: str | None
    started: Instant | None


STARTABLE_COLUMNS = """id, action_ref, job, status, host, runner_ref, attempt, original_execution, parent, root,
 parameters, sealed, environment, timeout_seconds, limit_group, limit_size, cancel_requested, nested, waits,
 workflow_task, item, executor, started"""


def startable_of(row: tuple[Any, ...]) -> Startable:
    return Startable(
        id=row[0], action_ref=row[1], job=row[2], status=Status(row[3]), host=row[4], runner_ref=row[5],
        attempt=row[6], original_execution=row[7], parent=row[8], root=row[9], parameters=row[10],
        sealed=row[11], environment=row[12], timeout_seconds=row[13], limit_group=row[14], limit_size=row[15],
        cancel_requested=row[16], nested=bool(row[17]), waits=bool(row[18]), workflow_task=row[19],
        item=row[20], executor=row[21], started=row[22],
    )  # fmt: skip


def execution_of(row: tuple[Any, ...]) -> Execution:
    return Execution(
        id=row[0], action_ref=row[1], job=row[2], status=Status(row[3]), host=row[4], runner_ref=row[5],
        parent=row[6], root=row[7], original_execution=row[8], next_attempt=row[9], attempt=row[10],
        rerun_of=row[11], parameters=json.loads(row[12]), labels=json.loads(row[13]), timeout_seconds=row[14],
        due=row[15], limit_group=row[16], limit_size=row[17], idempotency_key=row[18],
        cancel_requested=row[19], cancel_reason=row[20], exit_code=row[21], timed_out=bool(row[22]),
        error=None if row[23] is None else RunError(**json.loads(row[23])),
        result=None if row[24] is None else json.loads(row[24]),
        stdout=Stream(bytes=row[25], lines=row[26], dropped_bytes=row[27]),
        stderr=Stream(bytes=row[28], lines=row[29], dropped_bytes=row[30]),
        created=row[31], started=row[32], finished=row[33], updated=row[34], enforcement=row[35],
        rule_ref=row[36], trigger_ref=row[37], depth=row[38], waits=bool(row[39]), workflow_task=row[40],
        item=row[41], executor=row[42], task=None if row[43] is None else TaskPlace(**json.loads(row[43])),
    )  # fmt: skip


# --- writing -----------------------------------------------------------------------------------------------


def insert(tx: Transaction, new: NewExecution) -> int:
    """Insert a `requested` execution and return its id."""
    cursor = tx.execute(
        """INSERT INTO execution (action_ref, job, host, parameters, sealed, environment, labels,
             timeout_seconds, due, limit_group, limit_size, idempotency_key, parent, root, original_execution,
             attempt, rerun_of, nested, enforcement, rule_ref, trigger_ref, depth, waits, workflow_task, item,
             executor, created, updated)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            new.action_ref, new.job, new.host, new.parameters, new.sealed, new.environment, new.labels,
            new.timeout_seconds, new.due or tx.now, new.limit_group, new.limit_size, new.idempotency_key, new.parent,
            new.root, new.original_execution, new.attempt, new.rerun_of, new.nested, new.enforcement, new.rule_ref,
            new.trigger_ref, new.depth, new.waits, new.workflow_task, new.item, new.executor, tx.now, tx.now,
        ),
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


def insert_next_attempt(tx: Transaction, failed: Startable, *, due: Instant, host: str | None) -> int:
    """Insert the attempt after `failed`, started with the same parameters, not before `due`."""
    return int(
        tx.execute(
            """INSERT INTO execution (action_ref, job, host, parameters, sealed, environment, labels,
                 timeout_seconds, due, limit_group, limit_size, parent, root, original_execution, attempt,
                 rerun_of, nested, enforcement, rule_ref, trigger_ref, depth, waits, workflow_task, item, executor,
                 created, updated)
               SELECT action_ref, job, ?, parameters, sealed, environment, labels, timeout_seconds, ?,
                 limit_group, limit_size, parent, root, coalesce(original_execution, id), attempt + 1,
                 rerun_of, nested, enforcement, rule_ref, trigger_ref, depth, waits, workflow_task, item, executor,
                 ?, ? FROM execution WHERE id = ?""",
            (host, due, tx.now, tx.now, failed.id),
        ).lastrowid
        or 0
    )


def schedule(tx: Transaction, execution: Startable, host: str) -> bool:
    """`requested` → `scheduled`: admitted, something has to be prepared."""
    return tx.changed(
        """UPDATE execution SET status = 'scheduled', host = ?, updated = ?
           WHERE id = ? AND status = 'requested' AND host IS ?""",
        (host, tx.now, execution.id, execution.host),
    )


def run(tx: Transaction, execution: Startable, host: str | None, runner_ref: str | None) -> bool:
    """`requested` or `scheduled` → `running`, with the durable name of the run; without one, it waits for others."""
    return tx.changed(
        """UPDATE execution SET status = 'running', host = ?, runner_ref = ?, started = ?, updated = ?
           WHERE id = ? AND status = ? AND host IS ?""",
        (host, runner_ref, tx.now, tx.now, execution.id, execution.status, execution.host),
    )


def return_to_requested(tx: Transaction, execution: Startable, host: str | None) -> bool:
    """`scheduled` or `running` → `requested`: it never ran, the attempt does not count."""
    return tx.changed(
        """UPDATE execution SET status = 'requested', host = ?, runner_ref = NULL, started = NULL, updated = ?
           WHERE id = ? AND status = ? AND host IS ?""",
        (host, tx.now, execution.id, execution.status, execution.host),
    )


def begin_cancel(tx: Transaction, execution: Startable) -> bool:
    """`running` → `canceling`: the run is asked to stop."""
    return tx.changed(
        "UPDATE execution SET status = 'canceling', updated = ? WHERE id = ? AND status = 'running' AND host IS ?",
        (tx.now, execution.id, execution.host),
    )


def finish(
    tx: Transaction,
    execution: Startable,
    status: Status,
    outcome: Outcome,
    *,
    next_attempt: int | None = None,
) -> bool:
    """End an execution with `outcome`. False when it is no longer as `execution` says: then nothing changed."""
    error = outcome.error
    return tx.changed(
        """UPDATE execution SET status = ?, next_attempt = ?, exit_code = ?, timed_out = ?, error = ?, result = ?,
             result_sealed = ?, stdout_bytes = ?, stdout_lines = ?, stdout_dropped_bytes = ?, stderr_bytes = ?,
             stderr_lines = ?, stderr_dropped_bytes = ?, started = coalesce(?, started), finished = ?, updated = ?
           WHERE id = ? AND status = ? AND host IS ?""",
        (
            status, next_attempt, outcome.exit_code, outcome.timed_out,
            None if error is None else dump({"type": error.type, "message": error.message}),
            None if outcome.result is None else dump(outcome.result), outcome.result_sealed,
            outcome.stdout.bytes, outcome.stdout.lines, outcome.stdout.dropped_bytes,
            outcome.stderr.bytes, outcome.stderr.lines, outcome.stderr.dropped_bytes,
            outcome.started, outcome.finished or tx.now, tx.now, execution.id, execution.status, execution.host,
        ),
    )  # fmt: skip


def wait_for_answer(tx: Transaction, execution: Startable, outcome: Outcome) -> bool:
    """Let a run that has ended with a question wait: it is `running` still, without a run and without a slot."""
    return tx.changed(
        """UPDATE execution SET waits = 1, runner_ref = NULL, exit_code = ?, result = ?, result_sealed = ?,
             stdout_bytes = ?, stdout_lines = ?, stdout_dropped_bytes = ?, stderr_bytes = ?, stderr_lines = ?,
             stderr_dropped_bytes = ?, started = coalesce(?, started), updated = ?
           WHERE id = ? AND status = 'running' AND host IS ?""",
        (
            outcome.exit_code, None if outcome.result is None else dump(outcome.result), outcome.result_sealed,
            outcome.stdout.bytes, outcome.stdout.lines, outcome.stdout.dropped_bytes,
            outcome.stderr.bytes, outcome.stderr.lines, outcome.stderr.dropped_bytes,
            outcome.started, tx.now, execution.id, execution.host,
        ),
    )  # fmt: skip


def set_result(tx: Transaction, execution_id: int, result: dict[str, Any]) -> None:
    """Say what a live execution has to tell before it is over."""
    tx.execute(
        "UPDATE execution SET result = ?, updated = ? WHERE id = ? AND finished IS NULL",
        (dump(result), tx.now, execution_id),
    )


def set_host(tx: Transaction, execution: Startable, host: str | None) -> bool:
    """Give a live execution another owner, or none."""
    return tx.changed(
        "UPDATE execution SET host = ? WHERE id = ? AND host IS ? AND finished IS NULL",
        (host, execution.id, execution.host),
    )


def request_cancel(tx: Transaction, execution_id: int, reason: str | None) -> bool:
    """Leave the intent to cancel; the owner carries it out. False when there is nothing to cancel."""
    return tx.changed(
        """UPDATE execution SET cancel_requested = coalesce(cancel_requested, ?), cancel_reason = ?
            WHERE id = ? AND finished IS NULL""",
        (tx.now, reason, execution_id),
    )


def cancelled_with(tx: Transaction, execution_id: int) -> int | None:
    """Return what takes an execution that waits along when it is cancelled: itself, or a workflow that it is a task of.

    None while nobody wants to cancel any of them.
    """
    row = tx.execute(
        """WITH RECURSIVE above (id, parent, workflow_task, cancel_requested) AS (
              SELECT id, parent, workflow_task, cancel_requested FROM execution WHERE id = ?
              UNION ALL SELECT one.id, one.parent, one.workflow_task, one.cancel_requested
                FROM execution AS one JOIN above ON one.id = above.parent
                WHERE above.workflow_task IS NOT NULL AND one.finished IS NULL)
            SELECT id FROM above WHERE cancel_requested IS NOT NULL LIMIT 1""",
        (execution_id,),
    ).fetchone()
    return None if row is None else int(row[0])


def request_cancel_tree(tx: Transaction, execution_id: int, reason: str) -> int:
    """Leave the intent to cancel for an execution, its attempts and all below them; returns how many."""
    rows = tx.execute(
        """WITH RECURSIVE meant (id) AS (
              SELECT one.id FROM execution AS one, (
                SELECT coalesce(original_execution, id) AS id FROM execution WHERE id = :id) AS first
              WHERE one.id = first.id OR one.original_execution = first.id
              UNION SELECT child.id FROM execution AS child JOIN meant ON child.parent = meant.id)
            UPDATE execution SET cancel_requested = coalesce(cancel_requested, :now), cancel_reason = :reason
            WHERE finished IS NULL AND id IN (SELECT id FROM meant) RETURNING id""",
        {"id": execution_id, "now": tx.now, "reason": reason},
    ).fetchall()
    return len(rows)


def take_tree(tx: Transaction, execution_id: int, host: str) -> int:
    """Become the owner of the ownerless live executions of one tree; returns how many."""
    return tx.execute(
        """UPDATE execution SET host = ? WHERE host IS NULL AND finished IS NULL
            AND coalesce(root, id) = (SELECT coalesce(root, id) FROM execution WHERE id = ?)""",
        (host, execution_id),
    ).rowcount


def release(tx: Transaction, host: str) -> None:
    """Make what `host` owns and has not started, or what waits for others, ownerless."""
    tx.execute(
        """UPDATE execution SET host = NULL
           WHERE finished IS NULL AND (status = 'requested' OR waits) AND host = ?""",
        (host,),
    )


# --- reading, for the engine -------------------------------------------------------------------------------


def cancellable(tx: Transaction, host: str, *, ownerless_too: bool, limit: int) -> list[Startable]:
    """Return what `host` owns and somebody asked to cancel, except what is stopping already."""
    owner = "(host = :host OR host IS NULL)" if ownerless_too else "host = :host"
    rows = tx.execute(
        f"""SELECT {STARTABLE_COLUMNS} FROM execution
            WHERE cancel_requested IS NOT NULL AND finished IS NULL AND status <> 'canceling' AND {owner}
            ORDER BY id LIMIT :limit""",
        {"host": host, "limit": limit},
    ).fetchall()
    return [startable_of(row) for row in rows]


def owned_live(tx: Transaction, hosts: Sequence[str]) -> list[Startable]:
    """Return the live executions owned by any of `hosts`, oldest first."""
    marks = ", ".join("?" for _ in hosts)
    rows = tx.execute(
        f"SELECT {STARTABLE_COLUMNS} FROM execution WHERE finished IS NULL AND host IN ({marks}) ORDER BY id",
        tuple(hosts),
    ).fetchall()
    return [startable_of(row) for row in rows]


def live_runner_refs(tx: Transaction) -> list[str]:
    """Return the durable names of the runs whose end is not yet known here."""
    rows = tx.execute(
        "SELECT runner_ref FROM execution WHERE finished IS NULL AND runner_ref IS NOT NULL"
    ).fetchall()
    return [row[0] for row in rows]


def startable(tx: Transaction, execution_id: int) -> Startable | None:
    """Return one execution as the engine sees it."""
    row = tx.execute(f"SELECT {STARTABLE_COLUMNS} FROM execution WHERE id = ?", (execution_id,)).fetchone()
    return None if row is None else startable_of(row)


def startables(tx: Transaction, execution_ids: Sequence[int]) -> dict[int, Startable]:
    """Return some executions as the engine sees them, by id."""
    if not execution_ids:
        return {}
    marks = ", ".join("?" for _ in execution_ids)
    rows = tx.execute(
        f"SELECT {STARTABLE_COLUMNS} FROM execution WHERE id IN ({marks})", tuple(execution_ids)
    ).fetchall()
    return {row[0]: startable_of(row) for row in rows}


# --- reading, for people -----------------------------------------------------------------------------------


def get(tx: Transaction, execution_id: int) -> Execution | None:
    """Return one execution."""
    row = tx.execute(f"SELECT {EXECUTION_COLUMNS} FROM execution WHERE id = ?", (execution_id,)).fetchone()
    return None if row is None else execution_of(row)


def sealed_result(tx: Transaction, execution_id: int) -> bytes | None:
    """Return the sealed secret values of a result, by JSON pointer."""
    row = tx.execute("SELECT result_sealed FROM execution WHERE id = ?", (execution_id,)).fetchone()
    return None if row is None else row[0]


def history(tx: Transaction, execution_id: int) -> list[StatusChange]:
    """Return the changes of status of one execution, oldest first."""
    rows = tx.execute(
        "SELECT from_status, to_status, host, at FROM execution_history WHERE execution = ? ORDER BY id",
        (execution_id,),
    ).fetchall()
    return [
        StatusChange(
            from_status=None if old is None else Status(old), to_status=Status(new), host=host, at=at
        )
        for old, new, host, at in rows
    ]


def last_attempt(tx: Transaction, execution: Execution) -> Execution:
    """Follow the chain of attempts from `execution` to its newest."""
    while execution.next_attempt is not None:
        following = get(tx, execution.next_attempt)
        if following is None:
            return replace(execution, next_attempt=None)
        execution = following
    return execution


# --- reading, for submissions ------------------------------------------------------------------------------


def by_idempotency_key(tx: Transaction, action_ref: str, key: str) -> int | None:
    """Return the first attempt that was submitted with this key."""
    row = tx.execute(
        """SELECT id FROM execution WHERE action_ref = ? AND idempotency_key = ?
           AND original_execution IS NULL""",
        (action_ref, key),
    ).fetchone()
    return None if row is None else int(row[0])


def live_of_action(tx: Transaction, action_ref: str) -> list[int]:
    """Return the live executions of one action, oldest first."""
    rows = tx.execute(
        "SELECT id FROM execution WHERE action_ref = ? AND finished IS NULL ORDER BY id", (action_ref,)
    ).fetchall()
    return [int(row[0]) for row in rows]


def count_group_live(tx: Transaction, limit_group: str) -> int:
    """Return how many executions of one limit group run or wait to run."""
    row = tx.execute(
        "SELECT count(*) FROM execution WHERE limit_group = ? AND finished IS NULL", (limit_group,)
    ).fetchone()
    return int(row[0])


def top_of(tx: Transaction, execution_id: int) -> int:
    """Return the top of the tree an execution is in."""
    row = tx.execute("SELECT coalesce(root, id) FROM execution WHERE id = ?", (execution_id,)).fetchone()
    return execution_id if row is None else int(row[0])


def lineage(tx: Transaction, execution_id: int) -> set[int]:
    """Return an execution and all above it, up to the top of its tree."""
    rows = tx.execute(
        """WITH RECURSIVE above (id, parent) AS (
              SELECT id, parent FROM execution WHERE id = ?
              UNION SELECT one.id, one.parent FROM execution AS one JOIN above ON one.id = above.parent)
            SELECT id FROM above""",
        (execution_id,),
    )
    return {int(row[0]) for row in rows.fetchall()}


def depth_of(tx: Transaction, execution_id: int) -> int:
    """Return how many rules stand between an execution and its first cause."""
    row = tx.execute("SELECT depth FROM execution WHERE id = ?", (execution_id,)).fetchone()
    return 0 if row is None else int(row[0])


def live_of_rule(tx: Transaction, rule_ref: str) -> list[int]:
    """Return the live executions that a rule started, their further attempts included, oldest first."""
    rows = tx.execute(
        "SELECT id FROM execution WHERE rule_ref = ? AND finished IS NULL ORDER BY id", (rule_ref,)
    ).fetchall()
    return [int(row[0]) for row in rows]


# --- ending without an engine ------------------------------------------------------------------------------


def cancel_ownerless(tx: Transaction, execution_id: int) -> bool:
    """End a waiting execution that nobody owns as cancelled."""
    error = dump({"type": "cancelled", "message": "cancelled before it started"})
    return tx.changed(
        """UPDATE execution SET status = 'cancelled', error = ?, finished = ?, updated = ?
           WHERE id = ? AND status = 'requested' AND host IS NULL""",
        (error, tx.now, tx.now, execution_id),
    )
