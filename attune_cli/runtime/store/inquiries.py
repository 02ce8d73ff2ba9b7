"""Inquiries and their votes: every statement that reads or writes the tables `inquiry` and `inquiry_answer`.

An inquiry changes by compare-and-set on `pending`; the caller is told whether it landed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.inquiries import Inquiry, InquiryStatus, Question, Vote, due_of
from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.store.database import Transaction

_COLUMNS = """inquiry.id, execution, coalesce(asking.root, asking.id), asking.action_ref, prompt, response_schema,
 assigned_to, inquiry.status, required, approvers, response, inquiry.sealed, default_response, comment, requester,
 responded_by, responded_at, timeout_at, reminder_seconds, next_reminder, inquiry.due, inquiry.created,
 inquiry.updated, (SELECT action_ref FROM execution AS above WHERE above.id = asking.parent),
 (SELECT name FROM workflow_task WHERE workflow_task.id = asking.workflow_task)"""
_FROM = "inquiry JOIN execution AS asking ON asking.id = inquiry.execution"


@immutable(kw_only=True)
class InquiryFilter:
    """Which inquiries are meant; what is not given does not narrow."""

    statuses: tuple[str, ...] = ()
    assigned_to: str | None = None
    execution: int | None = None
    """Asked by this execution, or by one anywhere below it."""
    since: Instant | None = None
    pending_first: bool = False
    limit: int = 50
    offset: int = 0


def _of(row: tuple[Any, ...]) -> Inquiry:
    return Inquiry(
        id=row[0], execution=row[1], root=row[2], action_ref=row[3], prompt=row[4],
        response_schema=json.loads(row[5]), assigned_to=row[6], status=InquiryStatus(row[7]), required=row[8],
        approvers=None if row[9] is None else tuple(json.loads(row[9])),
        response=None if row[10] is None else json.loads(row[10]), sealed=row[11],
        default_response=None if row[12] is None else json.loads(row[12]), comment=row[13], requester=row[14],
        responded_by=row[15], responded_at=row[16], timeout_at=row[17], reminder_seconds=row[18],
        next_reminder=row[19], due=row[20], created=row[21], updated=row[22], parent_ref=row[23], task=row[24],
    )  # fmt: skip


# --- writing


def insert(
    tx: Transaction, execution: int, question: Question, *, requester: str | None, sealed: bytes | None
) -> int:
    """Insert a pending inquiry, at most one for each execution; `sealed` is of its default answer. Returns its id."""
    timeout_at = question.timeout_at
    next_reminder = None
    if question.reminder_seconds is not None:
        next_reminder = tx.now + round(question.reminder_seconds * 1_000_000)
    default = question.default_response
    cursor = tx.execute(
        """INSERT INTO inquiry (execution, prompt, response_schema, assigned_to, required, approvers,
             default_response, sealed, requester, timeout_at, reminder_seconds, next_reminder, due, created, updated)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            execution, question.prompt, dump(question.response_schema), question.assigned_to, question.required,
            None if question.approvers is None else dump(question.approvers),
            None if default is None else dump(default), sealed, requester, timeout_at, question.reminder_seconds,
            next_reminder, due_of(timeout_at, next_reminder), tx.now, tx.now,
        ),
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


def respond(
    tx: Transaction,
    inquiry: int,
    response: Json,
    *,
    sealed: bytes | None,
    responded_by: str | None,
    comment: str | None,
) -> bool:
    """`pending` → `responded`; its execution is due to be told."""
    return tx.changed(
        """UPDATE inquiry SET status = 'responded', response = ?, sealed = ?, responded_by = ?, responded_at = ?,
             comment = ?, due = 0, updated = ? WHERE id = ? AND status = 'pending'""",
        (dump(response), sealed, responded_by, tx.now, comment, tx.now, inquiry),
    )


def close(tx: Transaction, inquiry: int, status: InquiryStatus, *, comment: str | None = None) -> bool:
    """`pending` → `timeout` or `cancelled`; its execution is due to be told."""
    return tx.changed(
        """UPDATE inquiry SET status = ?, due = 0, comment = coalesce(?, comment), updated = ?
           WHERE id = ? AND status = 'pending'""",
        (status, comment, tx.now, inquiry),
    )


def close_asked_from(tx: Transaction, execution: int, *, comment: str) -> None:
    """`pending` → `cancelled` for what was asked from inside a run; the executions that wait are due to be told."""
    tx.execute(
        """UPDATE inquiry SET status = 'cancelled', due = 0, comment = ?, updated = ?
           WHERE status = 'pending' AND execution IN (
             SELECT id FROM execution WHERE parent = ? AND workflow_task IS NULL AND waits AND finished IS NULL)""",
        (comment, tx.now, execution),
    )


def settled(tx: Transaction, inquiry: int) -> None:
    """Nothing is left to be done for it."""
    tx.execute("UPDATE inquiry SET due = NULL WHERE id = ? AND due IS NOT NULL", (inquiry,))


def add_vote(tx: Transaction, inquiry: int, vote: Vote) -> None:
    """Write down what a person said; raises IntegrityError for a second word of the same person."""
    tx.execute(
        """INSERT INTO inquiry_answer (inquiry, person, approved, response, sealed, comment, created)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (inquiry, vote.person, vote.approved, dump(vote.response), vote.sealed, vote.comment, vote.created),
    )
    tx.execute("UPDATE inquiry SET updated = ? WHERE id = ?", (tx.now, inquiry))


def remind(tx: Transaction, inquiry: Inquiry, next_reminder: Instant | None) -> None:
    """Tell of it again, by the trigger that writes the notification, and set the next time."""
    tx.execute(
        "UPDATE inquiry SET next_reminder = ?, due = ?, updated = ? WHERE id = ? AND status = 'pending'",
        (next_reminder, due_of(inquiry.timeout_at, next_reminder), tx.now, inquiry.id),
    )


def extend(tx: Transaction, inquiry: Inquiry, timeout_at: Instant) -> bool:
    """Give a pending inquiry another end."""
    return tx.changed(
        "UPDATE inquiry SET timeout_at = ?, due = ?, updated = ? WHERE id = ? AND status = 'pending'",
        (timeout_at, due_of(timeout_at, inquiry.next_reminder), tx.now, inquiry.id),
    )


# --- reading


def get(tx: Transaction, inquiry: int) -> Inquiry | None:
    row = tx.execute(f"SELECT {_COLUMNS} FROM {_FROM} WHERE inquiry.id = ?", (inquiry,)).fetchone()
    return None if row is None else _of(row)


def of_execution(tx: Transaction, execution: int) -> Inquiry | None:
    """Return what an execution asked."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM {_FROM} WHERE execution = ?", (execution,)).fetchone()
    return None if row is None else _of(row)


def votes(tx: Transaction, inquiry: int) -> list[Vote]:
    """Return what was said so far, in order."""
    rows = tx.execute(
        """SELECT person, approved, response, sealed, comment, created FROM inquiry_answer
           WHERE inquiry = ? ORDER BY created, person""",
        (inquiry,),
    ).fetchall()
    return [
        Vote(
            person=row[0], approved=bool(row[1]), response=json.loads(row[2]), sealed=row[3], comment=row[4],
            created=row[5],
        )
        for row in rows
    ]  # fmt: skip


def search(tx: Transaction, wanted: InquiryFilter) -> list[Inquiry]:
    """Return a page of the inquiries that are meant, newest first."""
    condition, values = _condition(wanted)
    order = "inquiry.status <> 'pending', inquiry.id DESC" if wanted.pending_first else "inquiry.id DESC"
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE {condition} ORDER BY {order} LIMIT :limit OFFSET :offset",
        values | {"limit": wanted.limit, "offset": wanted.offset},
    ).fetchall()
    return [_of(row) for row in rows]


def count(tx: Transaction, wanted: InquiryFilter) -> int:
    """Return how many are meant, whatever the page."""
    condition, values = _condition(wanted)
    return int(tx.execute(f"SELECT count(*) FROM {_FROM} WHERE {condition}", values).fetchone()[0])


def _condition(wanted: InquiryFilter) -> tuple[str, dict[str, object]]:
    conditions = ["1"]
    if wanted.statuses:
        conditions.append("inquiry.status IN (SELECT value FROM json_each(:statuses))")
    if wanted.assigned_to is not None:
        conditions.append("assigned_to = :assigned_to")
    if wanted.execution is not None:
        conditions.append(
            """execution IN (WITH RECURSIVE below (id) AS (SELECT :execution
                 UNION SELECT child.id FROM execution AS child JOIN below ON child.parent = below.id)
               SELECT id FROM below)"""
        )
    if wanted.since is not None:
        conditions.append("inquiry.created >= :since")
    return " AND ".join(conditions), {
        "statuses": json.dumps(wanted.statuses),
        "assigned_to": wanted.assigned_to,
        "execution": wanted.execution,
        "since": wanted.since,
    }


def count_pending(tx: Transaction) -> int:
    return int(tx.execute("SELECT count(*) FROM inquiry WHERE status = 'pending'").fetchone()[0])


def pending_ids(tx: Transaction, *, limit: int) -> list[int]:
    """Return the oldest inquiries that wait for an answer."""
    rows = tx.execute("SELECT id FROM inquiry WHERE status = 'pending' ORDER BY id LIMIT ?", (limit,))
    return [int(row[0]) for row in rows.fetchall()]


def pending_below(tx: Transaction, execution: int) -> list[Inquiry]:
    """Return the pending inquiries that an execution, or one below it, waits for, oldest first.

    It begins at the inquiries, which are few where the executions may be many.
    """
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM {_FROM}
            WHERE inquiry.status = 'pending'
              AND coalesce(asking.root, asking.id) = (SELECT coalesce(root, id) FROM execution WHERE id = :execution)
              AND :execution IN (WITH RECURSIVE above (id) AS (SELECT asking.id
                  UNION SELECT execution.parent FROM execution JOIN above ON execution.id = above.id)
                SELECT id FROM above)
            ORDER BY inquiry.id""",
        {"execution": execution},
    ).fetchall()
    return [_of(row) for row in rows]


def sealed_in_tree(tx: Transaction, root: int) -> list[bytes]:
    """Return the secret values of the answers given to a tree; few inquiries have any."""
    rows = tx.execute(
        """SELECT inquiry.sealed FROM inquiry CROSS JOIN execution AS asking ON asking.id = inquiry.execution
           WHERE inquiry.sealed IS NOT NULL AND (asking.root = :root OR asking.id = :root)""",
        {"root": root},
    ).fetchall()
    return [row[0] for row in rows]


# --- what is due

_OF_NOBODY = "(asking.host IS NULL OR asking.waits = 0)"
"""What a daemon looks after besides its own: also the questions of runs that go on, which only need to be closed."""


def due(tx: Transaction, host: str | None, *, ownerless_too: bool, limit: int) -> list[Inquiry]:
    """Return what has to be looked at now and belongs to `host`, the longest due first."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM inquiry CROSS JOIN execution AS asking ON asking.id = inquiry.execution
            WHERE inquiry.due IS NOT NULL AND inquiry.due <= :now AND {_owner(ownerless_too=ownerless_too)}
            ORDER BY inquiry.due, inquiry.id LIMIT :limit""",
        {"now": tx.now, "host": host, "limit": limit},
    ).fetchall()
    return [_of(row) for row in rows]


def next_due(tx: Transaction, host: str, *, ownerless_too: bool) -> Instant | None:
    """Return when the next of them is due."""
    row = tx.execute(
        f"""SELECT inquiry.due FROM inquiry CROSS JOIN execution AS asking ON asking.id = inquiry.execution
            WHERE inquiry.due IS NOT NULL AND {_owner(ownerless_too=ownerless_too)}
            ORDER BY inquiry.due LIMIT 1""",
        {"host": host},
    ).fetchone()
    return None if row is None else row[0]


def _owner(*, ownerless_too: bool) -> str:
    return f"(asking.host IS :host OR {_OF_NOBODY})" if ownerless_too else "asking.host IS :host"
