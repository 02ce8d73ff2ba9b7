"""Packs: which are installed, and their configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


@dataclass(frozen=True, kw_only=True)
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
