"""Definitions: the tables that have the same columns, one for each kind of thing a pack defines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, get_args

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction

Kind = Literal[
    "permission_set", "runtime", "trigger", "action", "workflow", "queue", "rule", "sensor", "policy"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In load order (domain.md 1.1)."""


@immutable(kw_only=True)
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


def row_of(row: tuple[Any, ...]) -> Row:
    """Read the columns that every such table has, in order."""
    return Row(
        id=row[0], ref=row[1], pack=row[2], label=row[3], description=row[4], enabled=bool(row[5]),
        is_adhoc=bool(row[6]), definition=json.loads(row[7]), created=row[8], updated=row[9],
    )  # fmt: skip


def get(tx: Transaction, kind: Kind, ref: str) -> Row | None:
    """Return one definition by its ref."""
    row = tx.execute(f'SELECT {_COLUMNS} FROM "{kind}" WHERE ref = ?', (ref,)).fetchone()
    return None if row is None else row_of(row)


def ref_of(tx: Transaction, kind: Kind, row_id: int) -> str | None:
    """Return the ref of the definition with an id."""
    row = tx.execute(f'SELECT ref FROM "{kind}" WHERE id = ?', (row_id,)).fetchone()
    return None if row is None else str(row[0])


def refs(tx: Transaction, kind: Kind) -> list[str]:
    """Return the refs of one kind, in order."""
    return [ref for (ref,) in tx.execute(f'SELECT ref FROM "{kind}" ORDER BY ref')]


def enabled(tx: Transaction, kind: Kind) -> list[Row]:
    """Return the enabled definitions of one kind, by ref."""
    rows = tx.execute(f'SELECT {_COLUMNS} FROM "{kind}" WHERE enabled ORDER BY ref').fetchall()
    return [row_of(row) for row in rows]


def all_of(
    tx: Transaction, kind: Kind, *, pack_ref: str | None = None, after: str = "", limit: int = -1
) -> list[Row]:
    """Return definitions by ref, of one pack or of all, those behind `after`."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM "{kind}" WHERE ref > :after
              AND (:pack IS NULL OR pack = (SELECT id FROM pack WHERE ref = :pack)) ORDER BY ref LIMIT :limit""",
        {"after": after, "pack": pack_ref, "limit": limit},
    ).fetchall()
    return [row_of(row) for row in rows]


def count(tx: Transaction, kind: Kind, *, pack: int) -> int:
    """Count what a pack defines of one kind."""
    return int(tx.execute(f'SELECT count(*) FROM "{kind}" WHERE pack = ?', (pack,)).fetchone()[0])


def upsert(
    tx: Transaction,
    kind: Kind,
    *,
    pack: int,
    ref: str,
    label: str,
    description: str,
    definition: dict[str, Any],
) -> None:
    """Insert or replace a pack's definition by its ref, keeping its id and what a person enabled or disabled.

    What is the same stays as it is: a timer goes on, and nothing counts as changed.
    """
    known = get(tx, kind, ref)
    written = bool(definition.get("enabled", True))
    unchanged = known is not None and bool(known.definition.get("enabled", True)) == written
    tx.execute(
        f"""INSERT INTO "{kind}" (ref, pack, label, description, enabled, definition, created, updated)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (ref) DO UPDATE SET pack = excluded.pack, label = excluded.label,
              description = excluded.description, enabled = excluded.enabled, is_adhoc = 0,
              definition = excluded.definition, updated = excluded.updated
            WHERE (pack, label, description, enabled, is_adhoc, definition)
              IS NOT (excluded.pack, excluded.label, excluded.description, excluded.enabled, 0, excluded.definition)""",
        (
            ref, pack, label, description, known.enabled if known and unchanged else written,
            json.dumps(definition, ensure_ascii=False, separators=(",", ":")), tx.now, tx.now,
        ),
    )  # fmt: skip


def put(
    tx: Transaction,
    kind: Kind,
    *,
    ref: str,
    pack_ref: str,
    label: str,
    description: str,
    enabled: bool,
    definition: dict[str, Any],
) -> bool:
    """Insert or replace what a person defines; tells whether anything is other than before."""
    return tx.changed(
        f"""INSERT INTO "{kind}" (ref, pack, label, description, enabled, is_adhoc, definition, created, updated)
            VALUES (:ref, (SELECT id FROM pack WHERE ref = :pack), :label, :description, :enabled, 1, :definition,
              :now, :now)
            ON CONFLICT (ref) DO UPDATE SET pack = excluded.pack, label = excluded.label,
              description = excluded.description, enabled = excluded.enabled, is_adhoc = 1,
              definition = excluded.definition, updated = excluded.updated
            WHERE (pack, label, description, enabled, is_adhoc, definition)
              IS NOT (excluded.pack, excluded.label, excluded.description, excluded.enabled, 1, excluded.definition)""",
        {
            "ref": ref, "pack": pack_ref, "label": label, "description": description, "enabled": enabled,
            "definition": json.dumps(definition, ensure_ascii=False, separators=(",", ":")), "now": tx.now,
        },
    )  # fmt: skip


def delete(tx: Transaction, kind: Kind, ref: str) -> bool:
    """Delete one definition; tells whether it was there."""
    return tx.changed(f'DELETE FROM "{kind}" WHERE ref = ?', (ref,))


def delete_others(tx: Transaction, kind: Kind, *, pack: int, keep: list[str]) -> None:
    """Delete what a pack no longer defines; what a person made beside it stays."""
    tx.execute(
        f"""DELETE FROM "{kind}" WHERE pack = ? AND NOT is_adhoc
              AND ref NOT IN (SELECT value FROM json_each(?))""",
        (pack, json.dumps(keep)),
    )


def set_enabled(tx: Transaction, kind: Kind, ref: str, *, enabled: bool) -> bool:
    """Enable or disable one definition; tells whether it changed."""
    return tx.changed(
        f'UPDATE "{kind}" SET enabled = :enabled, updated = :now WHERE ref = :ref AND enabled <> :enabled',
        {"ref": ref, "enabled": enabled, "now": tx.now},
    )
