"""Enforcements: every statement that reads or writes the table `enforcement`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.events import Enforcement
from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.events import EnforcementStatus
    from attune_cli.runtime.store.database import Transaction

_COLUMNS = """id, event, rule, rule_ref, trigger_ref, status, config, conditions, error, execution, created,
 resolved"""


@immutable(kw_only=True)
class EnforcementFilter:
    """Which enforcements are meant; what is None does not matter."""

    rule_ref: str | None = None
    trigger_ref: str | None = None
    event: int | None = None
    status: str | None = None
    since: Instant | None = None
    before_id: int | None = None
    """Only older ones: the place where the last page ended."""


def _enforcement(row: tuple[Any, ...]) -> Enforcement:
    return Enforcement(
        id=row[0], event=row[1], rule=row[2], rule_ref=row[3], trigger_ref=row[4], status=row[5],
        config=json.loads(row[6]), conditions=json.loads(row[7]), error=row[8], execution=row[9], created=row[10],
        resolved=row[11],
    )  # fmt: skip


def insert(
    tx: Transaction, *, event: int, rule: int, rule_ref: str, trigger_ref: str, conditions: object
) -> int:
    """Insert an enforcement that is to be carried out; returns its id. The table refuses a second one for an event."""
    cursor = tx.execute(
        """INSERT INTO enforcement (event, rule, rule_ref, trigger_ref, conditions, created)
           VALUES (?, ?, ?, ?, ?, ?)""",
        (event, rule, rule_ref, trigger_ref, dump(conditions), tx.now),
    )
    return int(cursor.lastrowid or 0)


def resolve(
    tx: Transaction,
    enforcement: int,
    status: EnforcementStatus,
    *,
    config: dict[str, Any] | None = None,
    execution: int | None = None,
    error: str | None = None,
) -> bool:
    """`created` → `processed` or `disabled`. `config` holds the parameters, redacted. False when it was over before."""
    return tx.changed(
        """UPDATE enforcement SET status = ?, config = ?, execution = ?, error = ?, resolved = ?
           WHERE id = ? AND status = 'created'""",
        (status, dump(config or {}), execution, error, tx.now, enforcement),
    )


def get(tx: Transaction, enforcement_id: int) -> Enforcement | None:
    """Return one enforcement."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM enforcement WHERE id = ?", (enforcement_id,)).fetchone()
    return None if row is None else _enforcement(row)


def waits(tx: Transaction, rule: int) -> bool:
    """Tell whether an enforcement of a rule waits for its turn."""
    row = tx.execute("SELECT 1 FROM enforcement WHERE rule = ? AND status = 'created' LIMIT 1", (rule,))
    return row.fetchone() is not None


def first_in_line(tx: Transaction, *, limit: int) -> list[Enforcement]:
    """Return for each rule the oldest of its enforcements whose turn has come: no run of the rule goes on."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM enforcement WHERE id IN (
              SELECT min(id) FROM enforcement WHERE status = 'created' GROUP BY rule)
            AND NOT EXISTS (SELECT 1 FROM execution
              WHERE execution.rule_ref = enforcement.rule_ref AND execution.finished IS NULL)
            ORDER BY id LIMIT ?""",
        (limit,),
    ).fetchall()
    return [_enforcement(row) for row in rows]


def waiting_of(tx: Transaction, rule: int) -> list[int]:
    """Return the enforcements of a rule that wait for their turn, oldest first."""
    rows = tx.execute("SELECT id FROM enforcement WHERE rule = ? AND status = 'created' ORDER BY id", (rule,))
    return [int(row[0]) for row in rows.fetchall()]


def search(tx: Transaction, wanted: EnforcementFilter, *, limit: int) -> list[Enforcement]:
    """Return enforcements, newest first."""
    where, values = _where(wanted)
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM enforcement {where} ORDER BY id DESC LIMIT ?", (*values, limit)
    )
    return [_enforcement(row) for row in rows.fetchall()]


def count(tx: Transaction, wanted: EnforcementFilter) -> int:
    """Count enforcements."""
    where, values = _where(wanted)
    return int(tx.execute(f"SELECT count(*) FROM enforcement {where}", tuple(values)).fetchone()[0])


def _where(wanted: EnforcementFilter) -> tuple[str, list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    for condition, value in (
        ("rule_ref = ?", wanted.rule_ref),
        ("trigger_ref = ?", wanted.trigger_ref),
        ("event = ?", wanted.event),
        ("status = ?", wanted.status),
        ("created >= ?", wanted.since),
        ("id < ?", wanted.before_id),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", values


def of_event(tx: Transaction, event: int) -> list[Enforcement]:
    """Return what rules made of an event, oldest first."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM enforcement WHERE event = ? ORDER BY id", (event,)).fetchall()
    return [_enforcement(row) for row in rows]


def last_of_rules(tx: Transaction, rule_refs: list[str]) -> dict[str, Instant]:
    """Return when each of these rules acted last; those that never did are not in it."""
    rows = tx.execute(
        """SELECT value, (SELECT created FROM enforcement WHERE rule_ref = value ORDER BY id DESC LIMIT 1)
           FROM json_each(?)""",
        (dump(rule_refs),),
    ).fetchall()
    return {ref: created for ref, created in rows if created is not None}


def delete_before(tx: Transaction, instant: Instant, *, limit: int) -> int:
    """Delete enforcements made before an instant that are over, oldest first, at most `limit`; returns how many."""
    return tx.execute(
        """DELETE FROM enforcement WHERE status <> 'created' AND id IN (
             SELECT id FROM (SELECT id, created FROM enforcement ORDER BY id LIMIT ?) WHERE created < ?)""",
        (limit, instant),
    ).rowcount
