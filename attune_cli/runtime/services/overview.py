"""What a home is busy with: executions, events that wait, timers, sensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.store import events, execution_search, inquiries, overview, sensors

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction

_TIMERS = 5
_MOST_EVENTS = 100_000
"""As far as is counted: nobody needs to know by how much more a daemon is late."""


def describe(tx: Transaction, *, is_daemon_running: bool) -> dict[str, Any]:
    """Return `executions` by status, `open_inquiries`, `pending_events`, `next_timers` and `sensors`."""
    return {
        "open_inquiries": inquiries.count_pending(tx),
        "executions": execution_search.live_counts(tx),
        "pending_events": events.backlog(tx, limit=_MOST_EVENTS),
        "next_timers": [
            {"rule_ref": ref, "next_fire_at": rfc3339(due)}
            for ref, due in overview.upcoming_timers(tx, limit=_TIMERS)
        ],
        "sensors": [
            {
                "sensor_ref": ref,
                "status": process.status if is_daemon_running else "stopped",
                "restarts": process.restarts,
                "error": process.error,
            }
            for ref, process in sorted(sensors.processes(tx).items())
        ],
    }
