"""Who may start now: what a tick looks at first, what holds a slot, and what is admissible (architecture.md 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.store.executions import STARTABLE_COLUMNS, Startable, startable_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction

_IS_ON = "finished IS NULL AND status IN ('scheduled', 'running', 'canceling')"
_IS_NOT_HELD = """(e.workflow_task IS NULL OR NOT EXISTS (
                SELECT 1 FROM workflow_execution AS w WHERE w.execution = e.parent AND w.paused IS NOT NULL))"""
_HOLDS_SLOT = f"{_IS_ON} AND waits = 0 AND NOT nested"


@immutable
class Glance:
    """What a tick looks at first, in one statement, to leave out the stages that have nothing to do."""

    slots_held: int
    """By executions of all hosts, nested ones excepted."""
    cancels: bool
    nested: bool
    next_due: Instant | None
    """When the next waiting execution of this host (or of nobody) falls due after now."""
    other_waiting_host: str | None
    """The other host whose execution has waited longest: it gets the ring when a slot is freed."""


def glance(tx: Transaction, host: str) -> Glance:
    """Return what there is to do, as far as it can be told cheaply."""
    row = tx.execute(
        f"""SELECT
          (SELECT count(*) FROM execution WHERE {_HOLDS_SLOT}),
          EXISTS (SELECT 1 FROM execution WHERE cancel_requested IS NOT NULL AND finished IS NULL),
          EXISTS (SELECT 1 FROM execution WHERE nested AND finished IS NULL),
          (SELECT min(due) FROM execution WHERE finished IS NULL AND waits IN (0, 1) AND status = 'requested'
             AND due > :now AND (host = :host OR host IS NULL)),
          (SELECT host FROM execution WHERE finished IS NULL AND waits = 0 AND status = 'requested' AND due <= :now
             AND host <> :host AND (SELECT count(*) FROM host) > 1 ORDER BY due, id LIMIT 1)""",
        {"now": tx.now, "host": host},
    ).fetchone()
    return Glance(row[0], bool(row[1]), bool(row[2]), row[3], row[4])


def count_slots_held(tx: Transaction) -> int:
    """Return how many executions of all hosts hold a slot of their own."""
    row = tx.execute(f"SELECT count(*) FROM execution WHERE {_HOLDS_SLOT}").fetchone()
    return int(row[0])


def count_group(tx: Transaction, limit_group: str) -> int:
    """Return how many executions of one limit group go on."""
    row = tx.execute(
        f"SELECT count(*) FROM execution WHERE limit_group = ? AND {_IS_ON}", (limit_group,)
    ).fetchone()
    return int(row[0])


def is_in_group(tx: Transaction, execution_id: int, limit_group: str) -> bool:
    """Tell whether an execution, or one above it, has a place in a limit group."""
    row = tx.execute(
        """WITH RECURSIVE above (id, parent, limit_group, finished) AS (
             SELECT id, parent, limit_group, finished FROM execution WHERE id = ?
             UNION ALL SELECT e.id, e.parent, e.limit_group, e.finished
             FROM execution AS e JOIN above ON e.id = above.parent)
           SELECT EXISTS (SELECT 1 FROM above WHERE limit_group = ? AND finished IS NULL)""",
        (execution_id, limit_group),
    ).fetchone()
    return bool(row[0])


def admissible(tx: Transaction, host: str, *, ownerless_too: bool, limit: int) -> list[Startable]:
    """Return what `host` may start now, in the order it became due: requested, and its limit group not full.

    What a paused workflow has asked for waits until that is resumed.
    """
    return _admissible(tx, host, "waits = 0 AND NOT nested", ownerless_too=ownerless_too, limit=limit)


def admissible_nested(tx: Transaction, host: str, *, ownerless_too: bool, limit: int) -> list[Startable]:
    """Return the same of what is nested: it needs no slot, since its parent holds one and waits for it."""
    return _admissible(tx, host, "waits = 0 AND nested", ownerless_too=ownerless_too, limit=limit)


def admissible_waiting(tx: Transaction, host: str, *, ownerless_too: bool, limit: int) -> list[Startable]:
    """Return the same of what waits for others: it needs no slot, since nothing of it runs."""
    return _admissible(tx, host, "waits = 1", ownerless_too=ownerless_too, limit=limit)


def any_waiting(tx: Transaction, host: str, *, ownerless_too: bool) -> bool:
    """Tell whether `host` owns anything that waits for others; who takes what nobody owns looks after inquiries too."""
    others = """OR EXISTS (SELECT 1 FROM execution WHERE waits AND finished IS NULL AND host IS NULL)
                OR EXISTS (SELECT 1 FROM inquiry WHERE due IS NOT NULL)"""
    row = tx.execute(
        f"""SELECT EXISTS (SELECT 1 FROM execution WHERE waits AND finished IS NULL AND host = :host)
            {others if ownerless_too else ""}""",
        {"host": host},
    ).fetchone()
    return bool(row[0])


def _admissible(
    tx: Transaction, host: str, condition: str, *, ownerless_too: bool, limit: int
) -> list[Startable]:
    owner = "(host = :host OR host IS NULL)" if ownerless_too else "host = :host"
    rows = tx.execute(
        f"""SELECT {STARTABLE_COLUMNS} FROM execution AS e
            WHERE finished IS NULL AND status = 'requested' AND due <= :now AND {owner}
              AND cancel_requested IS NULL AND {condition} AND {_IS_NOT_HELD}
              AND (limit_group IS NULL OR limit_size > (SELECT count(*) FROM execution AS other
                   WHERE other.limit_group = e.limit_group AND other.finished IS NULL
                     AND other.status IN ('scheduled', 'running', 'canceling')))
            ORDER BY due, id LIMIT :limit""",
        {"host": host, "now": tx.now, "limit": limit},
    ).fetchall()
    return [startable_of(row) for row in rows]
