"""Definitions: the tables that have the same columns, one for each kind of thing a pack defines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction

Kind = Literal[
    "action", "runtime", "trigger", "sensor", "rule", "workflow", "queue", "permission_set", "policy"
]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One definition as stored; `definition` is the JSON of its class in model.definitions."""

    id: int
    ref: str
    pack: int | None
    label: str
    description: str
    enabled: bool
    is_adhoc: bool
    definition: dict[str, Any]
    created: Instant
    updated: Instant


_COLUMNS = "id, ref, pack, label, description, enabled, is_adhoc, definition, created, updated"


def _row(row: tuple[Any, ...]) -> Row:
    return Row(
        id=row[0], ref=row[1], pack=row[2], label=row[3], description=row[4], enabled=bool(row[5]),
        is_adhoc=bool(row[6]), definition=json.loads(row[7]), created=row[8], updated=row[9],
    )  # fmt: skip


def get(tx: Transaction, kind: Kind, ref: str) -> Row | None:
    """Return one definition by its ref."""
    row = tx.execute(f'SELECT {_COLUMNS} FROM "{kind}" WHERE ref = ?', (ref,)).fetchone()
    return None if row is None else _row(row)


def refs(tx: Transaction, kind: Kind) -> list[str]:
    """Return the refs of one kind, in order."""
    return [ref for (ref,) in tx.execute(f'SELECT ref FROM "{kind}" ORDER BY ref')]


def enabled(tx: Transaction, kind: Kind) -> list[Row]:
    """Return the enabled definitions of one kind, by ref."""
    rows = tx.execute(f'SELECT {_COLUMNS} FROM "{kind}" WHERE enabled ORDER BY ref').fetchall()
    return [_row(row) for row in rows]
