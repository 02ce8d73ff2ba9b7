"""Jobs: what executions were started with, stored once for all that share it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.store.database import Transaction


def intern(tx: Transaction, definition: JobDefinition) -> int:
    """Return the id of the job with this definition, inserting it when it is new."""
    known = (definition.checksum, definition.document)
    row = tx.execute("SELECT id FROM job WHERE checksum = ? AND definition = ?", known).fetchone()
    if row is None:
        row = tx.execute(
            "INSERT INTO job (checksum, definition) VALUES (?, ?) RETURNING id", known
        ).fetchone()
    return int(row[0])


def delete_unused(tx: Transaction) -> int:
    """Delete the jobs that no execution names; returns how many."""
    return tx.execute("DELETE FROM job WHERE id NOT IN (SELECT job FROM execution)").rowcount


def checksum(tx: Transaction, job_id: int) -> int:
    """Return what tells a job from another one that had its number before: the number of a deleted job is free."""
    row = tx.execute("SELECT checksum FROM job WHERE id = ?", (job_id,)).fetchone()
    return int(row[0])


def get(tx: Transaction, job_id: int) -> dict[str, Any]:
    """Return the definition of a job that an execution refers to."""
    row = tx.execute("SELECT definition FROM job WHERE id = ?", (job_id,)).fetchone()
    definition: dict[str, Any] = json.loads(row[0])
    return definition
