"""Notifications: the outbox, written by triggers in the commit of each change, read by sequence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


@immutable(kw_only=True)
class Notification:
    """One change; `payload` is JSON text with the keys of domain.md 8."""

    sequence: int
    notification_type: str
    entity_type: str
    entity_id: int
    payload: str
    created: Instant


_COLUMNS = "sequence, notification_type, entity_type, entity_id, payload, created"


def since(tx: Transaction, sequence: int, *, limit: int = 1000) -> list[Notification]:
    """Return the changes after a sequence, in order."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM notification WHERE sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit)
    ).fetchall()
    return [
        Notification(
            sequence=row[0], notification_type=row[1], entity_type=row[2], entity_id=row[3], payload=row[4],
            created=row[5],
        )
        for row in rows
    ]  # fmt: skip


def any_since(
    tx: Transaction, sequence: int, notification_types: tuple[str, ...], statuses: tuple[str, ...]
) -> bool:
    """Tell whether a change of one of these types came after a sequence; of executions, to one of these statuses."""
    row = tx.execute(
        """SELECT 1 FROM notification WHERE sequence > ? AND notification_type IN (SELECT value FROM json_each(?))
             AND (entity_type <> 'execution'
                  OR json_extract(payload, '$.status') IN (SELECT value FROM json_each(?))) LIMIT 1""",
        (sequence, json.dumps(notification_types), json.dumps(statuses)),
    ).fetchone()
    return row is not None


def last_before(tx: Transaction, instant: Instant) -> int:
    """Return the sequence of the last change made before an instant, 0 when there is none."""
    row = tx.execute(
        "SELECT sequence FROM notification WHERE created < ? ORDER BY sequence DESC LIMIT 1", (instant,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def newest(tx: Transaction) -> int:
    """Return the last sequence, 0 when nothing ever changed. Deleting what is old does not take it back."""
    row = tx.execute("SELECT seq FROM sqlite_sequence WHERE name = 'notification'").fetchone()
    return 0 if row is None else int(row[0])


def oldest(tx: Transaction) -> int:
    """Return the first sequence that is still there; the one that comes next when there is none."""
    row = tx.execute("SELECT min(sequence) FROM notification").fetchone()
    return newest(tx) + 1 if row[0] is None else int(row[0])


def delete_before(tx: Transaction, instant: Instant, *, limit: int) -> int:
    """Delete changes made before an instant, oldest first, at most `limit`; returns how many."""
    return tx.execute(
        """DELETE FROM notification WHERE sequence IN (
             SELECT sequence FROM (SELECT sequence, created FROM notification ORDER BY sequence LIMIT ?)
             WHERE created < ?)""",
        (limit, instant),
    ).rowcount
