"""Sensors: the rules that want them, their processes as the daemon last saw them, and what they keep for themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Collection

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction

SensorStatus = Literal["starting", "running", "waiting", "stopped", "failed"]
"""`waiting`: it ended, and is started again at `next_start`; `failed`: the same, and it could not even be started."""


@immutable(kw_only=True)
class Process:
    """What became of a sensor's process. `started` is the latest start, `refused` counts lines."""

    sensor_ref: str
    status: SensorStatus
    pid: int | None = None
    started: Instant | None = None
    restarts: int = 0
    events: int = 0
    refused: int = 0
    last_event: Instant | None = None
    next_start: Instant | None = None
    error: str | None = None


@immutable(kw_only=True)
class Interest:
    """An enabled rule on an enabled trigger; `params` are its trigger_params as written."""

    rule: int
    rule_ref: str
    trigger_ref: str
    params: dict[str, Any]


def rules_version(tx: Transaction) -> int:
    """Return a number that changes with every change of a rule, trigger, action, pack or sensor."""
    row = tx.execute("SELECT value FROM meta WHERE name = 'rules_version'").fetchone()
    return 0 if row is None else int(row[0])


def interests(tx: Transaction, trigger_refs: Collection[str]) -> list[Interest]:
    """Return the enabled rules on those of the triggers that are enabled, oldest first."""
    rows = tx.execute(
        """SELECT rule.id, rule.ref, "trigger".ref, json_extract(rule.definition, '$.trigger_params')
           FROM rule JOIN "trigger" ON "trigger".ref = json_extract(rule.definition, '$.trigger_ref')
           WHERE rule.enabled AND "trigger".enabled AND "trigger".ref IN (SELECT value FROM json_each(?))
           ORDER BY rule.id""",
        (dump(sorted(trigger_refs)),),
    ).fetchall()
    return [
        Interest(rule=row[0], rule_ref=row[1], trigger_ref=row[2], params=json.loads(row[3] or "{}"))
        for row in rows
    ]


def touch(tx: Transaction, sensor_ref: str) -> bool:
    """Mark a sensor as changed, so that its process is started anew; tells whether it exists."""
    return tx.changed("UPDATE sensor SET updated = max(updated + 1, ?) WHERE ref = ?", (tx.now, sensor_ref))


# --- processes


def process(tx: Transaction, sensor_ref: str) -> Process:
    """Return what is known of a sensor's process; `stopped` when it never had one."""
    return processes(tx).get(sensor_ref) or Process(sensor_ref=sensor_ref, status="stopped")


def processes(tx: Transaction) -> dict[str, Process]:
    """Return what is known of all processes, by the ref of the sensor."""
    rows = tx.execute(
        """SELECT sensor_ref, status, pid, started, restarts, events, refused, last_event, next_start, error
           FROM sensor_process"""
    ).fetchall()
    return {
        row[0]: Process(
            sensor_ref=row[0], status=row[1], pid=row[2], started=row[3], restarts=row[4], events=row[5],
            refused=row[6], last_event=row[7], next_start=row[8], error=row[9],
        )
        for row in rows
    }  # fmt: skip


def begin(tx: Transaction, sensor_ref: str, *, is_restart: bool) -> None:
    """Say that a sensor is about to be started: before it is, so that a crash leaves no process unrecorded."""
    tx.execute(
        """INSERT INTO sensor_process (sensor_ref, status, started, restarts, updated)
           VALUES (:ref, 'starting', :now, :more, :now)
           ON CONFLICT (sensor_ref) DO UPDATE SET status = 'starting', pid = NULL, started = :now,
             restarts = restarts + :more, next_start = NULL, updated = :now""",
        {"ref": sensor_ref, "more": int(is_restart), "now": tx.now},
    )


def settle(
    tx: Transaction,
    sensor_ref: str,
    status: SensorStatus,
    *,
    pid: int | None = None,
    next_start: Instant | None = None,
    error: str | None = None,
) -> None:
    """Write down how a sensor's process is now."""
    tx.execute(
        """INSERT INTO sensor_process (sensor_ref, status, pid, next_start, error, updated)
           VALUES (:ref, :status, :pid, :next, :error, :now)
           ON CONFLICT (sensor_ref) DO UPDATE SET status = :status, pid = :pid, next_start = :next,
             error = :error, updated = :now""",
        {
            "ref": sensor_ref,
            "status": status,
            "pid": pid,
            "next": next_start,
            "error": error,
            "now": tx.now,
        },
    )


def count(tx: Transaction, sensor_ref: str, *, events: int, refused: int) -> None:
    """Add to what a running sensor has told."""
    tx.execute(
        """UPDATE sensor_process SET events = events + :events, refused = refused + :refused,
             last_event = iif(:events > 0, :now, last_event), updated = :now WHERE sensor_ref = :ref""",
        {"ref": sensor_ref, "events": events, "refused": refused, "now": tx.now},
    )


def stop_all(tx: Transaction) -> None:
    """Say that nothing runs, as is true for a daemon that begins; what has no sensor any more is forgotten."""
    tx.execute(
        "UPDATE sensor_process SET status = 'stopped', pid = NULL, next_start = NULL, updated = ?", (tx.now,)
    )
    forget_missing(tx)


def forget_missing(tx: Transaction) -> None:
    """Delete what is known of sensors that are no longer installed."""
    for table in ("sensor_process", "sensor_state"):
        tx.execute(f"DELETE FROM {table} WHERE sensor_ref NOT IN (SELECT ref FROM sensor)")


# --- what a sensor keeps


def state(tx: Transaction, sensor_ref: str) -> dict[str, Any]:
    """Return what a sensor keeps, by name."""
    rows = tx.execute(
        "SELECT name, value FROM sensor_state WHERE sensor_ref = ? ORDER BY name", (sensor_ref,)
    ).fetchall()
    return {name: json.loads(value) for name, value in rows}


def state_count(tx: Transaction, sensor_ref: str, *, beside: str) -> int:
    """Count what a sensor keeps beside one name."""
    statement = "SELECT count(*) FROM sensor_state WHERE sensor_ref = ? AND name <> ?"
    return int(tx.execute(statement, (sensor_ref, beside)).fetchone()[0])


def put_state(tx: Transaction, sensor_ref: str, name: str, value: object) -> None:
    """Keep a value under a name; None forgets it."""
    if value is None:
        tx.execute("DELETE FROM sensor_state WHERE sensor_ref = ? AND name = ?", (sensor_ref, name))
        return
    tx.execute(
        """INSERT INTO sensor_state (sensor_ref, name, value, updated) VALUES (?, ?, ?, ?)
           ON CONFLICT (sensor_ref, name) DO UPDATE SET value = excluded.value, updated = excluded.updated""",
        (sensor_ref, name, dump(value), tx.now),
    )
