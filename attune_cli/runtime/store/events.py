"""Events: every statement that reads or writes the table `event`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.events import Event
from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.events import EventSource
    from attune_cli.runtime.store.database import Transaction

_COLUMNS = """id, trigger_ref, payload, config, source, source_ref, rule_ref, dedup_key, cause, depth, pending,
 created"""

_UNMATCHED = (
    """NOT EXISTS (SELECT 1 FROM verdict WHERE event = event.id AND outcome IN ('fired', 'waiting'))"""
)


@immutable(kw_only=True)
class EventFilter:
    """Which events are meant; what is None does not matter."""

    trigger_ref: str | None = None
    rule_ref: str | None = None
    source: str | None = None
    source_ref: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    judged_by: str | None = None
    """The ref of a rule that they concerned."""
    unmatched: bool = False
    """Only those that no rule acts on."""
    before_id: int | None = None
    """Only older ones: the place where the last page ended."""


def _event(row: tuple[Any, ...]) -> Event:
    return Event(
        id=row[0], trigger_ref=row[1], payload=None if row[2] is None else json.loads(row[2]),
        config=json.loads(row[3]), source=row[4], source_ref=row[5], rule_ref=row[6], dedup_key=row[7],
        cause=row[8], depth=row[9], pending=bool(row[10]), created=row[11],
    )  # fmt: skip


_NEW = """event (id, trigger_ref, payload, config, source, source_ref, rule_ref, dedup_key, cause, depth,
 created)"""


@immutable(kw_only=True)
class NewRow:
    """An event that waits to be judged, as it is written: `payload` and `config` are JSON text."""

    id: int | None = None
    trigger_ref: str
    payload: str | None
    config: str
    source: EventSource
    source_ref: str | None = None
    rule_ref: str | None = None
    dedup_key: str | None = None
    cause: int | None = None
    depth: int = 0

    def values(self, now: Instant) -> tuple[object, ...]:
        return (
            self.id, self.trigger_ref, self.payload, self.config, self.source, self.source_ref, self.rule_ref,
            self.dedup_key, self.cause, self.depth, now,
        )  # fmt: skip


def insert(
    tx: Transaction,
    *,
    trigger_ref: str,
    payload: object,
    config: dict[str, Any],
    source: EventSource,
    source_ref: str | None = None,
    rule_ref: str | None = None,
    dedup_key: str | None = None,
    cause: int | None = None,
    depth: int = 0,
) -> int:
    """Insert an event that waits to be judged; returns its id. The caller has looked for its `dedup_key`."""
    row = NewRow(
        trigger_ref=trigger_ref, payload=None if payload is None else dump(payload), config=dump(config),
        source=source, source_ref=source_ref, rule_ref=rule_ref, dedup_key=dedup_key, cause=cause, depth=depth,
    )  # fmt: skip
    tx.insert_rows(_NEW, [row.values(tx.now)])
    return tx.last_id()


def next_id(tx: Transaction) -> int:
    """Return the id of the next event: they are given in order, and none twice."""
    row = tx.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return 1 if row is None else int(row[0]) + 1


def insert_all(tx: Transaction, new: Iterable[NewRow]) -> None:
    """Insert events under ids from `next_id` on. The caller has looked for their dedup keys."""
    tx.insert_rows(_NEW, [row.values(tx.now) for row in new])


def by_dedup_key(tx: Transaction, trigger_ref: str, dedup_key: str) -> int | None:
    """Return the event of a trigger that has this key."""
    row = tx.execute(
        "SELECT id FROM event WHERE trigger_ref = ? AND dedup_key = ?", (trigger_ref, dedup_key)
    ).fetchone()
    return None if row is None else int(row[0])


def get(tx: Transaction, event_id: int) -> Event | None:
    """Return one event."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM event WHERE id = ?", (event_id,)).fetchone()
    return None if row is None else _event(row)


def pending(tx: Transaction, *, limit: int) -> list[Event]:
    """Return what waits to be judged, oldest first."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM event WHERE pending ORDER BY id LIMIT ?", (limit,)).fetchall()
    return [_event(row) for row in rows]


def backlog(tx: Transaction, *, limit: int) -> int:
    """Count what waits to be judged, up to `limit`."""
    statement = "SELECT count(*) FROM (SELECT 1 FROM event WHERE pending LIMIT ?)"
    return int(tx.execute(statement, (limit,)).fetchone()[0])


def pending_triggers(tx: Transaction, *, limit: int) -> list[tuple[int, str]]:
    """Return ids and triggers of what waits to be judged, oldest first."""
    return tx.execute(
        "SELECT id, trigger_ref FROM event WHERE pending ORDER BY id LIMIT ?", (limit,)
    ).fetchall()


def mark_judged(tx: Transaction, event_id: int) -> None:
    """Say that every rule has had its say about an event."""
    tx.execute("UPDATE event SET pending = 0 WHERE id = ?", (event_id,))


def mark_all_judged(tx: Transaction, event_ids: Sequence[int]) -> None:
    """Say the same of several events."""
    tx.execute(
        "UPDATE event SET pending = 0 WHERE id IN (SELECT value FROM json_each(?))", (dump(list(event_ids)),)
    )


def search(tx: Transaction, wanted: EventFilter, *, limit: int, offset: int = 0) -> list[Event]:
    """Return events, newest first."""
    where, values = _where(wanted)
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM event {where} ORDER BY id DESC LIMIT ? OFFSET ?", (*values, limit, offset)
    )
    return [_event(row) for row in rows.fetchall()]


def count(tx: Transaction, wanted: EventFilter) -> int:
    """Count events."""
    where, values = _where(wanted)
    return int(tx.execute(f"SELECT count(*) FROM event {where}", tuple(values)).fetchone()[0])


def _where(wanted: EventFilter) -> tuple[str, list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    for condition, value in (
        ("trigger_ref = ?", wanted.trigger_ref),
        ("rule_ref = ?", wanted.rule_ref),
        ("source = ?", wanted.source),
        ("source_ref = ?", wanted.source_ref),
        ("created >= ?", wanted.since),
        ("created < ?", wanted.until),
        ("id < ?", wanted.before_id),
        ("EXISTS (SELECT 1 FROM verdict WHERE event = event.id AND rule_ref = ?)", wanted.judged_by),
        (f"NOT pending AND {_UNMATCHED} = ?", 1 if wanted.unmatched else None),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", values


def newest(tx: Transaction, *, trigger_ref: str | None = None) -> int | None:
    """Return the newest event, of one trigger or of all."""
    return tx.execute(
        "SELECT max(id) FROM event WHERE :trigger IS NULL OR trigger_ref = :trigger", {"trigger": trigger_ref}
    ).fetchone()[0]


def delete_before(tx: Transaction, instant: Instant, *, limit: int) -> int:
    """Delete judged events made before an instant, oldest first, at most `limit`; returns how many."""
    return tx.execute(
        """DELETE FROM event WHERE NOT pending AND id IN (
             SELECT id FROM (SELECT id, created FROM event ORDER BY id LIMIT ?) WHERE created < ?)""",
        (limit, instant),
    ).rowcount
