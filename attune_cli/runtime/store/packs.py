"""Packs: which are installed, and their configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


@immutable(kw_only=True)
class Pack:
    """An installed pack; `manifest` is the JSON of model.definitions.PackManifest, secrets in `config` redacted."""

    id: int
    ref: str
    label: str
    version: str
    description: str
    digest: str
    link: str | None
    source: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    sealed: bytes | None
    is_standard: bool
    created: Instant
    updated: Instant


_COLUMNS = """id, ref, label, version, description, digest, link, source, manifest, config, sealed, is_standard,
 created, updated"""


def _pack(row: tuple[Any, ...]) -> Pack:
    return Pack(
        id=row[0], ref=row[1], label=row[2], version=row[3], description=row[4], digest=row[5], link=row[6],
        source=row[7], manifest=json.loads(row[8]), config=json.loads(row[9]), sealed=row[10],
        is_standard=bool(row[11]), created=row[12], updated=row[13],
    )  # fmt: skip


def get(tx: Transaction, ref: str) -> Pack | None:
    """Return one pack by its ref."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM pack WHERE ref = ?", (ref,)).fetchone()
    return None if row is None else _pack(row)


def linked(tx: Transaction) -> list[tuple[str, str, Instant]]:
    """Return ref, folder and when they were last read of the packs that are used where they lie."""
    return tx.execute("SELECT ref, link, updated FROM pack WHERE link IS NOT NULL ORDER BY ref").fetchall()


def all_packs(tx: Transaction, *, after: str = "", limit: int = -1) -> list[Pack]:
    """Return installed packs by ref, those behind `after`."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM pack WHERE ref > ? ORDER BY ref LIMIT ?", (after, limit)
    ).fetchall()
    return [_pack(row) for row in rows]


def upsert(
    tx: Transaction,
    *,
    ref: str,
    label: str,
    version: str,
    description: str,
    digest: str,
    link: str | None,
    source: str,
    manifest: dict[str, Any],
    is_standard: bool,
) -> int:
    """Insert or replace a pack, keeping its id and its configuration; returns the id."""
    row = tx.execute(
        """INSERT INTO pack (ref, label, version, description, digest, link, source, manifest, is_standard,
             created, updated)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (ref) DO UPDATE SET label = excluded.label, version = excluded.version,
             description = excluded.description, digest = excluded.digest, link = excluded.link,
             source = excluded.source, manifest = excluded.manifest, is_standard = excluded.is_standard,
             updated = excluded.updated
           RETURNING id""",
        (
            ref, label, version, description, digest, link, source,
            json.dumps(manifest, ensure_ascii=False, separators=(",", ":")), is_standard, tx.now, tx.now,
        ),
    ).fetchone()  # fmt: skip
    return int(row[0])


def set_config(tx: Transaction, pack: int, *, config: dict[str, Any], sealed: bytes | None) -> None:
    """Replace a pack's configuration; secret values of `config` are redacted, and sealed in `sealed`."""
    tx.execute(
        "UPDATE pack SET config = ?, sealed = ?, updated = ? WHERE id = ?",
        (json.dumps(config, ensure_ascii=False, separators=(",", ":")), sealed, tx.now, pack),
    )


def delete(tx: Transaction, pack: int) -> None:
    """Delete a pack and all it defines."""
    tx.execute("DELETE FROM pack WHERE id = ?", (pack,))


def delete_keys(tx: Transaction, ref: str) -> None:
    """Delete the keys that a pack or one of its actions and sensors owns."""
    tx.execute(
        """DELETE FROM key WHERE (owner_type = 'pack' AND owner = :ref)
             OR (owner_type IN ('action', 'sensor') AND substr(owner, 1, length(:ref) + 1) = :ref || '.')""",
        {"ref": ref},
    )


def live_executions(tx: Transaction, ref: str) -> list[int]:
    """Return the executions of a pack's actions that are not over, oldest first."""
    rows = tx.execute(
        """SELECT id FROM execution
           WHERE status IN ('requested', 'scheduling', 'scheduled', 'running', 'canceling')
             AND substr(action_ref, 1, length(:ref) + 1) = :ref || '.' ORDER BY id""",
        {"ref": ref},
    ).fetchall()
    return [execution for (execution,) in rows]


def live_digests(tx: Transaction, ref: str) -> frozenset[str]:
    """Return the digests of a pack's content that executions which are not over were started with."""
    rows = tx.execute(
        """SELECT DISTINCT json_extract(job.definition, '$.pack_digest')
           FROM execution JOIN job ON job.id = execution.job
           WHERE execution.status IN ('requested', 'scheduling', 'scheduled', 'running', 'canceling')
             AND json_extract(job.definition, '$.action.pack_ref') = ?""",
        (ref,),
    ).fetchall()
    return frozenset(digest for (digest,) in rows if digest)
