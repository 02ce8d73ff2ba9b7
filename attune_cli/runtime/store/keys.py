"""Keys: values by name, owned by the system, a pack or an action; sealed unless stored plain (domain.md 7).

A key that has expired is found by nobody, and deleted when it is in the way or when somebody sweeps.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer

OwnerType = Literal["system", "identity", "pack", "action", "sensor"]


@immutable(kw_only=True)
class Key:
    """A stored key; `value` is sealed JSON when `encrypted`, else plain JSON."""

    id: int
    ref: str
    owner_type: OwnerType
    owner: str
    name: str
    encrypted: bool
    value: bytes
    created: Instant
    updated: Instant
    expires: Instant | None


_COLUMNS = "id, ref, owner_type, owner, name, encrypted, value, created, updated, expires"
_LIVES = "(expires IS NULL OR expires > :now)"


def _key(row: tuple[Any, ...]) -> Key:
    return Key(
        id=row[0], ref=row[1], owner_type=row[2], owner=row[3], name=row[4], encrypted=bool(row[5]),
        value=bytes(row[6]), created=row[7], updated=row[8], expires=row[9],
    )  # fmt: skip


def read_value(key: Key, sealer: Sealer) -> Any:  # noqa: ANN401 - a key holds any JSON value
    """Return a key's value in the clear."""
    return sealer.unseal(key.value) if key.encrypted else json.loads(key.value)


def get(tx: Transaction, ref: str) -> Key | None:
    """Return one key by its ref."""
    row = tx.execute(
        f"SELECT {_COLUMNS} FROM key WHERE ref = :ref AND {_LIVES}", {"ref": ref, "now": tx.now}
    ).fetchone()
    return None if row is None else _key(row)


def nearest(tx: Transaction, name: str, *, action_ref: str, pack_ref: str) -> Key | None:
    """Return the key an action sees under `name`: its own, else its pack's, else the system's."""
    row = tx.execute(
        f"""SELECT {_COLUMNS} FROM key WHERE name = :name AND {_LIVES} AND (
              (owner_type = 'action' AND owner = :action) OR (owner_type = 'pack' AND owner = :pack)
              OR (owner_type = 'system'))
            ORDER BY CASE owner_type WHEN 'action' THEN 0 WHEN 'pack' THEN 1 ELSE 2 END LIMIT 1""",
        {"name": name, "action": action_ref, "pack": pack_ref, "now": tx.now},
    ).fetchone()
    return None if row is None else _key(row)


def list_keys(tx: Transaction, *, owner_type: str | None, owner: str | None, prefix: str) -> list[Key]:
    """Return keys by ref, of one owner or of all, whose refs begin with `prefix`."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM key WHERE {_LIVES} AND (:type IS NULL OR owner_type = :type)
              AND (:owner IS NULL OR owner = :owner) AND substr(ref, 1, length(:prefix)) = :prefix ORDER BY ref""",
        {"type": owner_type, "owner": owner, "prefix": prefix, "now": tx.now},
    ).fetchall()
    return [_key(row) for row in rows]


def upsert(
    tx: Transaction,
    *,
    ref: str,
    owner_type: str,
    owner: str,
    name: str,
    encrypted: bool,
    value: bytes,
    expires: Instant | None = None,
) -> bool:
    """Insert or replace a key, what has expired out of the way; tells whether it is new."""
    delete_expired(tx)
    known = get(tx, ref) is not None
    tx.execute(
        """INSERT INTO key (ref, owner_type, owner, name, encrypted, value, created, updated, expires)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (ref) DO UPDATE SET encrypted = excluded.encrypted, value = excluded.value,
             updated = excluded.updated, expires = excluded.expires""",
        (ref, owner_type, owner, name, encrypted, value, tx.now, tx.now, expires),
    )
    return not known


def delete(tx: Transaction, ref: str) -> bool:
    """Delete a key; tells whether there was one."""
    return tx.changed(
        "DELETE FROM key WHERE ref = :ref AND (expires IS NULL OR expires > :now)",
        {"ref": ref, "now": tx.now},
    )


def count_expired(tx: Transaction) -> int:
    """Return how many keys wait to be deleted."""
    return int(tx.execute("SELECT count(*) FROM key WHERE expires <= ?", (tx.now,)).fetchone()[0])


def delete_expired(tx: Transaction, *, limit: int = -1) -> int:
    """Delete keys that have expired, at most `limit` (-1: all); returns how many are gone."""
    return tx.execute(
        "DELETE FROM key WHERE id IN (SELECT id FROM key WHERE expires <= ? LIMIT ?)", (tx.now, limit)
    ).rowcount
