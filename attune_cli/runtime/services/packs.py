"""Packs: what people and scripts may ask of the installed ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.store import definitions, packs
from attune_cli.runtime.store.definitions import KINDS

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.packs import Pack

Record = dict[str, Any]


def list_packs(tx: Transaction, *, after: str = "", limit: int = -1) -> list[Record]:
    """Return the installed packs by ref."""
    return [pack_record(tx, pack) for pack in packs.all_packs(tx, after=after, limit=limit)]


def find(tx: Transaction, ref: str) -> Pack:
    """Return an installed pack; raises NotFoundError."""
    pack = packs.get(tx, ref)
    if pack is None:
        suggestion = did_you_mean(ref, [one.ref for one in packs.all_packs(tx)])
        raise NotFoundError(f"no pack '{ref}' is installed", hint=suggestion or "attune pack list")
    return pack


def show_pack(tx: Transaction, ref: str) -> Record:
    """Return the full record of a pack, with the refs of all it defines."""
    pack = find(tx, ref)
    manifest = PackManifest.from_json(pack.manifest)
    contents = {kind: [row.ref for row in definitions.all_of(tx, kind, pack_ref=ref)] for kind in KINDS}
    return {
        **pack_record(tx, pack),
        "conf_schema": manifest.conf_schema,
        "config": pack.config,
        "meta": manifest.meta,
        "dependencies": list(manifest.dependencies),
        "runtime_deps": list(manifest.runtime_deps),
        "about": manifest.about,
        "contents": {kind: refs for kind, refs in contents.items() if refs},
    }


def pack_record(tx: Transaction, pack: Pack) -> Record:
    """Return the summary of a pack (api.md, records)."""
    counts = {kind: definitions.count(tx, kind, pack=pack.id) for kind in KINDS}
    return {
        "kind": "pack",
        "id": pack.id,
        "ref": pack.ref,
        "label": pack.label,
        "version": pack.version,
        "description": pack.description,
        "is_standard": pack.is_standard,
        "tags": pack.manifest.get("tags") or [],
        "source": pack.source,
        "link": pack.link,
        "digest": pack.digest,
        "state": _state(pack),
        "counts": {kind: count for kind, count in counts.items() if count},
        "created": rfc3339(pack.created),
        "updated": rfc3339(pack.updated),
    }


def _state(pack: Pack) -> str:
    if pack.link is None:
        return "installed"
    return "linked" if os.path.isdir(pack.link) else "link broken"  # noqa: PTH112 - a text from the store
