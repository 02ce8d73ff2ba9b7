"""What a rule remembers from one event to the next: its windows, for each group of events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.store.executions import dump

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


def get(tx: Transaction, rule: int, name: str, group_key: str) -> Any:  # noqa: ANN401 - whatever was put, any JSON value
    """Return what is remembered under a name for a group; None when nothing is."""
    row = tx.execute(
        "SELECT value FROM rule_memory WHERE rule = ? AND name = ? AND group_key = ?", (rule, name, group_key)
    ).fetchone()
    return None if row is None else json.loads(row[0])


def put(tx: Transaction, rule: int, name: str, group_key: str, value: object, *, expires: Instant) -> None:
    """Remember a value, until it may be forgotten."""
    tx.execute(
        """INSERT INTO rule_memory (rule, name, group_key, value, expires) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (rule, name, group_key) DO UPDATE SET value = excluded.value, expires = excluded.expires""",
        (rule, name, group_key, dump(value), expires),
    )


def forget(tx: Transaction, rule: int, name: str, group_key: str) -> None:
    """Forget one value; harmless when there is none."""
    tx.execute(
        "DELETE FROM rule_memory WHERE rule = ? AND name = ? AND group_key = ?", (rule, name, group_key)
    )


def delete_expired(tx: Transaction, *, limit: int) -> int:
    """Forget what has expired, at most `limit` values; returns how many."""
    return tx.execute(
        """DELETE FROM rule_memory WHERE (rule, name, group_key) IN (
             SELECT rule, name, group_key FROM rule_memory WHERE expires < ? ORDER BY expires LIMIT ?)""",
        (tx.now, limit),
    ).rowcount
