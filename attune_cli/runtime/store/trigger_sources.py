"""What a trigger has besides its definition: the address under which it takes requests from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction


def with_webhooks(tx: Transaction) -> frozenset[str]:
    """Return the triggers that have an enabled webhook."""
    return frozenset(ref for (ref,) in tx.execute("SELECT trigger_ref FROM webhook WHERE enabled").fetchall())


def delete_webhook(tx: Transaction, trigger_ref: str) -> bool:
    """Delete the webhook of a trigger that goes; tells whether it had one."""
    return tx.changed("DELETE FROM webhook WHERE trigger_ref = ?", (trigger_ref,))
