"""Verdicts: every statement that reads or writes the table `verdict`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.events import Verdict
from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.events import Outcome
    from attune_cli.runtime.store.database import Transaction

_COLUMNS = "id, event, rule, rule_ref, outcome, reason, trace, group_key, due, enforcement, created, updated"


@immutable(kw_only=True)
class VerdictFilter:
    """Which verdicts are meant; what is None does not matter."""

    rule_ref: str | None = None
    event: int | None = None
    outcome: str | None = None
    since: Instant | None = None
    before_id: int | None = None
    """Only older ones: the place where the last page ended."""


def _verdict(row: tuple[Any, ...]) -> Verdict:
    return Verdict(
        id=row[0], event=row[1], rule=row[2], rule_ref=row[3], outcome=row[4], reason=row[5],
        trace=json.loads(row[6]), group_key=row[7], due=row[8], enforcement=row[9], created=row[10], updated=row[11],
    )  # fmt: skip


def insert(
    tx: Transaction,
    *,
    event: int,
    rule: int,
    rule_ref: str,
    outcome: Outcome,
    reason: str,
    trace: dict[str, Any],
    group_key: str = "",
    due: Instant | None = None,
    enforcement: int | None = None,
) -> int:
    """Insert what a rule made of an event; returns the id. A second one for the same two is refused by the table."""
    cursor = tx.execute(
        """INSERT INTO verdict (event, rule, rule_ref, outcome, reason, trace, group_key, due, enforcement,
             created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (event, rule, rule_ref, outcome, reason, dump(trace), group_key, due, enforcement, tx.now, tx.now),
    )
    return int(cursor.lastrowid or 0)


def settle(
    tx: Transaction,
    verdict: Verdict,
    outcome: Outcome,
    reason: str,
    *,
    trace: dict[str, Any] | None = None,
    enforcement: int | None = None,
) -> bool:
    """End the waiting of a verdict; tells whether it still waited."""
    return tx.changed(
        """UPDATE verdict SET outcome = ?, reason = ?, trace = ?, enforcement = ?, due = NULL, updated = ?
           WHERE id = ? AND due IS NOT NULL""",
        (outcome, reason, dump(verdict.trace if trace is None else trace), enforcement, tx.now, verdict.id),
    )


def get(tx: Transaction, event: int, rule: int) -> Verdict | None:
    """Return what a rule made of an event."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM verdict WHERE event = ? AND rule = ?", (event, rule)).fetchone()
    return None if row is None else _verdict(row)


def rules_that_judged(tx: Transaction, event: int) -> set[int]:
    """Return the ids of the rules that have had their say about an event."""
    return {rule for (rule,) in tx.execute("SELECT rule FROM verdict WHERE event = ?", (event,)).fetchall()}


def waiting(tx: Transaction, rule: int, group_key: str, *, before_event: int) -> list[Verdict]:
    """Return what one rule waits with for one group because of events before another, oldest first."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM verdict
            WHERE rule = ? AND group_key = ? AND due IS NOT NULL AND event < ? ORDER BY id""",
        (rule, group_key, before_event),
    ).fetchall()
    return [_verdict(row) for row in rows]


def due(tx: Transaction, *, before: Instant, limit: int) -> list[Verdict]:
    """Return what has waited long enough, and because of what was due before an instant; oldest first."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM verdict WHERE due <= ? AND due < ? ORDER BY due, id LIMIT ?",
        (tx.now, before, limit),
    ).fetchall()
    return [_verdict(row) for row in rows]


def next_due(tx: Transaction) -> Instant | None:
    """Return when the first of those that wait falls due."""
    return tx.execute("SELECT min(due) FROM verdict WHERE due IS NOT NULL").fetchone()[0]


def search(tx: Transaction, wanted: VerdictFilter, *, limit: int) -> list[Verdict]:
    """Return verdicts, newest first."""
    conditions: list[str] = []
    values: list[object] = []
    for condition, value in (
        ("rule_ref = ?", wanted.rule_ref),
        ("event = ?", wanted.event),
        ("outcome = ?", wanted.outcome),
        ("created >= ?", wanted.since),
        ("id < ?", wanted.before_id),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM verdict {where} ORDER BY id DESC LIMIT ?", (*values, limit))
    return [_verdict(row) for row in rows.fetchall()]


def fired_counts(tx: Transaction, event_ids: list[int]) -> dict[int, tuple[int, int]]:
    """Return for each of these events how many rules it concerned, and how many of them fired or will."""
    rows = tx.execute(
        """SELECT event, count(*), sum(outcome IN ('fired', 'waiting')) FROM verdict
           WHERE event IN (SELECT value FROM json_each(?)) GROUP BY event""",
        (dump(event_ids),),
    ).fetchall()
    return {event: (concerned, fired) for event, concerned, fired in rows}


def delete_before(tx: Transaction, instant: Instant, *, limit: int) -> int:
    """Delete verdicts made before an instant that do not wait, oldest first, at most `limit`; returns how many."""
    return tx.execute(
        """DELETE FROM verdict WHERE due IS NULL AND id IN (
             SELECT id FROM (SELECT id, created FROM verdict ORDER BY id LIMIT ?) WHERE created < ?)""",
        (limit, instant),
    ).rowcount
