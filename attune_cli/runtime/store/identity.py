"""Whose database this is: the id of its home, and how a copy of the file is told from the original.

A copy has another inode. It must not go on with what the original runs: it knows processes that are not its own,
and would kill them as leftovers. What a file system does to inodes at a move to another one counts as a copy too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from attune_cli.runtime.store.executions import dump
from attune_cli.runtime.store.meta import put, remove, value

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from attune_cli.runtime.store.database import Transaction


COPIED = "copied"
"""When this database became another home's: nothing that fell due before is done here."""

PLATFORM_EVENTS_CURSOR = "platform_events_cursor"
"""The last change that rules on what the platform does have looked at, while there are any."""


def home_id(connection: sqlite3.Connection) -> str | None:
    """Return the id of the home this database belongs to (32 hexadecimal digits)."""
    return value(connection, "home_id")


def is_at_home(tx: Transaction, path: Path) -> bool:
    """Tell whether this is the file that was opened here before."""
    return value(tx.connection, "inode") == _inode(path)


def settle_in(tx: Transaction, path: Path) -> bool:
    """Record that the file lies here; tells whether it was copied, and makes it a home's own then."""
    known = value(tx.connection, "inode")
    is_copy = known is not None and known != _inode(path)
    if is_copy:
        renew(tx, "its database was copied")
    put(tx, "inode", _inode(path))
    return is_copy


def renew(tx: Transaction, reason: str) -> int:
    """Give a copied or restored database an id of its own, and end what the original has done or still does.

    Returns how many executions were ended: `abandoned`, or `cancelled` where that was under way.
    """
    ended = tx.execute(
        """UPDATE execution SET status = CASE status WHEN 'canceling' THEN 'cancelled' ELSE 'abandoned' END,
             host = NULL, error = ?, finished = ?, updated = ?
           WHERE finished IS NULL AND status IN ('requested', 'scheduled', 'running', 'canceling')""",
        (dump({"type": "abandoned", "message": f"{reason} before it ended"}), tx.now, tx.now),
    ).rowcount
    _close_workflows(tx)
    _leave_to_the_original(tx, reason)
    tx.execute("DELETE FROM host")
    remove(tx, "inode")
    put(tx, "home_id", os.urandom(16).hex())
    return ended


def _close_workflows(tx: Transaction) -> None:
    """End the tasks of what was ended, and look at none of it again."""
    from attune_cli.runtime.store import workflow_tasks, workflows

    for workflow in workflows.ended_and_open(tx):
        workflow_tasks.end_open(tx, workflow)
        workflows.set_due(tx, workflow, None)


def _leave_to_the_original(tx: Transaction, reason: str) -> None:
    """Close what waits to be judged, to fire, to run or to be told: the original has seen to it, or will."""
    values: dict[str, object] = {"now": tx.now, "reason": f"{reason} before this was seen to"}
    tx.execute(
        "UPDATE event SET pending = 0, config = json_set(config, '$.unjudged', :reason) WHERE pending", values
    )
    tx.execute(
        """UPDATE verdict SET outcome = 'unready', reason = :reason, due = NULL, updated = :now
            WHERE due IS NOT NULL""",
        values,
    )
    tx.execute(
        """UPDATE enforcement SET status = 'disabled', error = :reason, resolved = :now
            WHERE status = 'created'""",
        values,
    )
    tx.execute(
        "UPDATE timer SET last_planned = max(coalesce(last_planned, 0), :now) WHERE due IS NOT NULL", values
    )
    put(tx, COPIED, str(tx.now))
    newest = tx.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'notification'")
    sequence = int(newest.fetchone()[0])
    put(tx, PLATFORM_EVENTS_CURSOR, str(sequence))
    tx.execute("UPDATE channel SET cursor = max(cursor, ?)", (sequence,))


def _inode(path: Path) -> str:
    return str(path.stat().st_ino)
