"""Forgetting: what is older than the setting allows is deleted, a little in each tick (domain.md 9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.engine.limits import SWEPT_PER_TICK
from attune_cli.runtime.store import (
    enforcements,
    events,
    keys,
    notifications,
    rule_memory,
    verdicts,
    webhooks,
)

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


def sweep(tx: Transaction, before: Instant) -> bool:
    """Delete a bounded part of what was made before an instant and is over; tells whether something is left."""
    most = max(
        verdicts.delete_before(tx, before, limit=SWEPT_PER_TICK),
        enforcements.delete_before(tx, before, limit=SWEPT_PER_TICK),
        events.delete_before(tx, before, limit=SWEPT_PER_TICK),
        notifications.delete_before(tx, before, limit=SWEPT_PER_TICK),
        webhooks.delete_before(tx, before, limit=SWEPT_PER_TICK),
        rule_memory.delete_expired(tx, limit=SWEPT_PER_TICK),
        keys.delete_expired(tx, limit=SWEPT_PER_TICK),
    )
    return most >= SWEPT_PER_TICK
