"""Timers: when each rule on a core timer fires next. One row for each enabled rule, made by the reactor.

A disabled rule's row goes in the statement that disables it (guard.py), and a deleted rule's with the rule.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction

State = Literal["active", "expired", "faulty"]


@immutable(kw_only=True)
class TimerRow:
    """One timer; `schedule` and `policy` are the JSON of model.schedules."""

    rule: int
    rule_ref: str
    trigger_ref: str
    rule_updated: Instant
    schedule: dict[str, Any]
    policy: dict[str, Any]
    state: State
    error: str | None
    anchor: Instant
    planned: Instant | None
    due: Instant | None
    last_planned: Instant | None
    last_fired: Instant | None
    fired: int
    missed: int


_COLUMNS = """timer.rule, rule.ref, json_extract(rule.definition, '$.trigger_ref'), timer.rule_updated,
 timer.schedule, timer.policy, timer.state, timer.error, timer.anchor, timer.planned, timer.due, timer.last_planned,
 timer.last_fired, timer.fired, timer.missed"""
_WITH_RULE = "timer JOIN rule ON rule.id = timer.rule"
_TRIGGER = "json_extract(definition, '$.trigger_ref')"
"""As the index rule_trigger has it."""


def _timer(row: tuple[Any, ...]) -> TimerRow:
    return TimerRow(
        rule=row[0], rule_ref=row[1], trigger_ref=row[2], rule_updated=row[3], schedule=json.loads(row[4]),
        policy=json.loads(row[5]), state=row[6], error=row[7], anchor=row[8], planned=row[9], due=row[10],
        last_planned=row[11], last_fired=row[12], fired=row[13], missed=row[14],
    )  # fmt: skip


def get(tx: Transaction, rule: int) -> TimerRow | None:
    """Return the timer of a rule."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM {_WITH_RULE} WHERE timer.rule = ?", (rule,)).fetchone()
    return None if row is None else _timer(row)


def due(tx: Transaction, *, limit: int) -> list[TimerRow]:
    """Return the timers that fire now, the longest due first."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM {_WITH_RULE} WHERE timer.due <= ? ORDER BY timer.due LIMIT ?",
        (tx.now, limit),
    ).fetchall()
    return [_timer(row) for row in rows]


def next_due(tx: Transaction) -> Instant | None:
    """Return when the first timer fires."""
    return tx.execute("SELECT min(due) FROM timer WHERE due IS NOT NULL").fetchone()[0]


def refs_to_renew(tx: Transaction, trigger_refs: list[str], *, limit: int) -> list[str]:
    """Return the refs of enabled rules on these triggers whose timer is missing or was made before they changed."""
    rows = tx.execute(
        f"""SELECT ref FROM rule WHERE {_TRIGGER} IN (SELECT value FROM json_each(?)) AND enabled
              AND NOT EXISTS (SELECT 1 FROM timer WHERE rule = rule.id AND rule_updated = rule.updated)
            ORDER BY id LIMIT ?""",
        (dump(trigger_refs), limit),
    ).fetchall()
    return [ref for (ref,) in rows]


def put(
    tx: Transaction,
    rule: int,
    *,
    rule_updated: Instant,
    schedule: dict[str, Any],
    policy: dict[str, Any],
    state: State,
    error: str | None,
    anchor: Instant,
    planned: Instant | None,
    due: Instant | None,
) -> None:
    """Begin a timer anew; how often it has fired is kept."""
    tx.execute(
        """INSERT INTO timer (rule, rule_updated, schedule, policy, state, error, anchor, planned, due)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (rule) DO UPDATE SET rule_updated = excluded.rule_updated, schedule = excluded.schedule,
             policy = excluded.policy, state = excluded.state, error = excluded.error, anchor = excluded.anchor,
             planned = excluded.planned, due = excluded.due, last_planned = NULL""",
        (rule, rule_updated, dump(schedule), dump(policy), state, error, anchor, planned, due),
    )


def confirm(tx: Transaction, rule: int, rule_updated: Instant) -> None:
    """Say that a timer is as its rule wants it."""
    tx.execute("UPDATE timer SET rule_updated = ? WHERE rule = ?", (rule_updated, rule))


def advance(
    tx: Transaction,
    rule: int,
    *,
    state: State,
    planned: Instant | None,
    due: Instant | None,
    last_planned: Instant | None,
    fired: int,
    missed: int,
) -> None:
    """Remember what became of the instants that were due: `fired` and `missed` count those added."""
    tx.execute(
        """UPDATE timer SET state = ?, planned = ?, due = ?, last_planned = ?, fired = fired + ?, missed = missed + ?,
             last_fired = CASE WHEN ? THEN ? ELSE last_fired END WHERE rule = ?""",
        (state, planned, due, last_planned, fired, missed, fired, tx.now, rule),
    )


def fail(tx: Transaction, rule: int, error: str) -> None:
    """Stop a timer that cannot go on, and say why."""
    tx.execute(
        "UPDATE timer SET state = 'faulty', error = ?, planned = NULL, due = NULL WHERE rule = ?",
        (error, rule),
    )


def delete_unwanted(tx: Transaction, trigger_refs: list[str]) -> int:
    """Delete the timers whose rule is disabled or on none of these triggers any more; returns how many."""
    return tx.execute(
        f"""DELETE FROM timer WHERE rule NOT IN (
              SELECT id FROM rule WHERE {_TRIGGER} IN (SELECT value FROM json_each(?)) AND enabled)""",
        (dump(trigger_refs),),
    ).rowcount


def from_the_future(tx: Transaction, *, later_than: Instant) -> list[TimerRow]:
    """Return the timers that were made, or fell due last, after an instant that is still to come."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM {_WITH_RULE}
            WHERE timer.state = 'active' AND max(timer.anchor, coalesce(timer.last_planned, 0)) > ?""",
        (later_than,),
    ).fetchall()
    return [_timer(row) for row in rows]
