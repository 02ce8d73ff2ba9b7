"""What must hold in every history, whatever crashed and whoever interfered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.states import TERMINAL, Status, is_legal

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Store
    from tests.simulation.world import World


def violations(store: Store, world: World) -> list[str]:
    """Return every broken invariant of the database and the world, in words."""
    found = list(world.problems)
    found += _histories(store)
    found += _lineage(store)
    found += _notifications(store)
    return found


def rows(store: Store, statement: str) -> list[tuple[object, ...]]:
    return store.connection.execute(statement).fetchall()


def _histories(store: Store) -> list[str]:
    found: list[str] = []
    status = {row[0]: row[1] for row in rows(store, "SELECT id, status FROM execution")}
    path: dict[object, str | None] = dict.fromkeys(status)
    for execution, old, new in rows(
        store, "SELECT execution, from_status, to_status FROM execution_history ORDER BY id"
    ):
        if old != path[execution]:
            found.append(f"execution {execution}: history jumps from {path[execution]} to {old}>{new}")
        if old is not None and not is_legal(Status(str(old)), Status(str(new))):
            found.append(f"execution {execution}: illegal step {old}>{new}")
        path[execution] = str(new)
    found += [
        f"execution {execution}: status {status[execution]}, but its history ends with {last}"
        for execution, last in path.items()
        if status[execution] != last
    ]
    return found


def limits(store: Store, slots: int) -> list[str]:
    """Return what holds more than it may, at this moment: has to be asked after every commit."""
    held = "status IN ('scheduled', 'running', 'canceling')"
    found = [
        f"{count} executions hold {slots} slots"
        for (count,) in rows(store, f"SELECT count(*) FROM execution WHERE {held} AND waits = 0")
        if isinstance(count, int) and count > slots
    ]
    found += [
        f"group {group} has {count} of {size}"
        for group, size, count in rows(
            store,
            f"SELECT limit_group, limit_size, count(*) FROM execution WHERE {held} AND limit_group IS NOT NULL"
            " GROUP BY limit_group HAVING count(*) > limit_size",
        )
    ]
    return found


def _lineage(store: Store) -> list[str]:
    found = [
        f"attempt {attempt} of {first} exists {count} times"
        for first, attempt, count in rows(
            store,
            "SELECT coalesce(original_execution, id), attempt, count(*) FROM execution"
            " GROUP BY 1, 2 HAVING count(*) > 1",
        )
    ]
    found += [
        f"execution {execution} was retried, but ended {status}"
        for execution, status in rows(
            store,
            "SELECT id, status FROM execution WHERE next_attempt IS NOT NULL"
            " AND status NOT IN ('failed', 'abandoned')",
        )
    ]
    found += [
        f"attempt {execution} has no attempt before it"
        for (execution,) in rows(
            store,
            "SELECT id FROM execution AS e WHERE attempt > 1"
            " AND NOT EXISTS (SELECT 1 FROM execution AS before WHERE before.next_attempt = e.id)",
        )
    ]
    return found


def _notifications(store: Store) -> list[str]:
    changes = rows(store, "SELECT execution, to_status FROM execution_history ORDER BY id")
    told = rows(
        store,
        "SELECT entity_id, json_extract(payload, '$.status') FROM notification"
        " WHERE entity_type = 'execution' ORDER BY sequence",
    )
    return [] if changes == told else ["the notifications are not the changes, in order"]


def unfinished(store: Store) -> list[tuple[object, ...]]:
    """Return the executions that are not over, with their owners."""
    terminal = ", ".join(f"'{status}'" for status in TERMINAL)
    return rows(store, f"SELECT id, status, host FROM execution WHERE status NOT IN ({terminal})")
