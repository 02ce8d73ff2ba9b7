"""Named values of the database itself: whose it is, how far something was read, how often rules changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from attune_cli.runtime.store.database import Transaction


def value(connection: sqlite3.Connection, name: str) -> str | None:
    """Return one value, None when there is none."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def put(tx: Transaction, name: str, text: str) -> None:
    """Set one value."""
    tx.execute(
        "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, text),
    )


def remove(tx: Transaction, name: str) -> None:
    """Remove one value; harmless when there is none."""
    tx.execute("DELETE FROM meta WHERE name = ?", (name,))
