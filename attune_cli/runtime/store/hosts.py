"""Hosts: which processes run, or ran, an engine on this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.entities import Host

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction


def insert(tx: Transaction, host: Host) -> None:
    """Record a host, whose lock is held already."""
    tx.execute(
        "INSERT INTO host (id, kind, pid, boot_id, started) VALUES (?, ?, ?, ?, ?)",
        (host.id, host.kind, host.pid, host.boot_id, host.started),
    )


def delete(tx: Transaction, host_id: str) -> None:
    """Forget a host that owns nothing any more."""
    tx.execute("DELETE FROM host WHERE id = ?", (host_id,))


def all_hosts(tx: Transaction) -> list[Host]:
    """Return every recorded host, dead ones included."""
    rows = tx.execute("SELECT id, kind, pid, boot_id, started FROM host ORDER BY started").fetchall()
    return [Host(id=row[0], kind=row[1], pid=row[2], boot_id=row[3], started=row[4]) for row in rows]
