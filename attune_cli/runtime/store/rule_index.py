"""Finding the rules an event concerns, and noticing that rules have changed (ADR 0016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.store import definitions
from attune_cli.runtime.store.meta import value

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Row

_COLUMNS = "id, ref, pack, label, description, enabled, is_adhoc, definition, created, updated"


def version(tx: Transaction) -> int:
    """Return a number that grows with each change of a rule, or of what rules name."""
    return int(value(tx.connection, "rules_version") or 0)


def on_trigger(tx: Transaction, trigger_ref: str) -> list[Row]:
    """Return the enabled rules on a trigger, by ref; none when the trigger is disabled or gone."""
    return _found(tx, "json_extract(definition, '$.trigger_ref') = :trigger", trigger_ref)


def averted_by(tx: Transaction, trigger_ref: str) -> list[Row]:
    """Return the enabled rules that fire unless this trigger does, by ref."""
    return _found(tx, "json_extract(definition, '$.unless.trigger_ref') = :trigger", trigger_ref)


def _found(tx: Transaction, condition: str, trigger_ref: str) -> list[Row]:
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM rule WHERE {condition} AND enabled
              AND EXISTS (SELECT 1 FROM "trigger" WHERE ref = :trigger AND "trigger".enabled) ORDER BY ref""",
        {"trigger": trigger_ref},
    ).fetchall()
    return [definitions.row_of(row) for row in rows]


def enabled_triggers(tx: Transaction, trigger_refs: list[str]) -> list[str]:
    """Return those of some triggers that are installed and enabled."""
    return [ref for ref in trigger_refs if _is_enabled(tx, ref)]


def _is_enabled(tx: Transaction, trigger_ref: str) -> bool:
    return (
        tx.execute('SELECT 1 FROM "trigger" WHERE ref = ? AND enabled', (trigger_ref,)).fetchone() is not None
    )
