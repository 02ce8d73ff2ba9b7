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


def sweep(tx: Transaction, before: Instant) -> dict[str, int]:
    """Delete a bounded part of what was made before an instant and is over; returns how many of each kind."""
    return {
        "verdicts": verdicts.delete_before(tx, before, limit=SWEPT_PER_TICK),
        "enforcements": enforcements.delete_before(tx, before, limit=SWEPT_PER_TICK),
        "events": events.delete_before(tx, before, limit=SWEPT_PER_TICK),
        "notifications": notifications.delete_before(tx, before, limit=SWEPT_PER_TICK),
        "webhook_calls": webhooks.delete_before(tx, before, limit=SWEPT_PER_TICK),
        "windows": rule_memory.delete_expired(tx, limit=SWEPT_PER_TICK),
        "keys": keys.delete_expired(tx, limit=SWEPT_PER_TICK),
    }


def is_more_left(swept: dict[str, int]) -> bool:
    """Tell whether a sweep has ended at its bound."""
    return max(swept.values()) >= SWEPT_PER_TICK
