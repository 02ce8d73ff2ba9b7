"""Jobs: what executions were started with, stored once for all that share it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction


def intern(tx: Transaction, definition: dict[str, Any]) -> int:
    """Return the id of the job with this definition, inserting it when it is new."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    row = tx.execute("SELECT id FROM job WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        row = tx.execute(
            "INSERT INTO job (digest, definition) VALUES (?, ?) RETURNING id", (digest, text)
        ).fetchone()
    return int(row[0])


def get(tx: Transaction, job_id: int) -> dict[str, Any]:
    """Return the definition of a job that an execution refers to."""
    row = tx.execute("SELECT definition FROM job WHERE id = ?", (job_id,)).fetchone()
    definition: dict[str, Any] = json.loads(row[0])
    return definition
