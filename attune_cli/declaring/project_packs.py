"""The packs of a project: linked where they lie, in the transaction that keeps everything else."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from attune_cli.errors import ConflictError, Detail, UsageError
from attune_cli.runtime.packs.source import read_pack
from attune_cli.runtime.packs.staging import staged
from attune_cli.runtime.services import installation
from attune_cli.runtime.store import definitions, packs
from attune_cli.runtime.store.definitions import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from attune_cli.declaring.rule_documents import Document
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer


def link(tx: Transaction, folder: Path, *, home: Home, sealer: Sealer) -> str | None:
    """Link the pack in a folder and return its ref; None when it is installed in another way, which stays.

    Raises with every fault of it.
    """
    with staged(str(folder), home, ref=None, link=True, report=lambda _text: None) as pack:
        prefix = os.path.join(os.path.relpath(folder), "")  # noqa: PTH118 - a text that goes before paths
        source = read_pack(pack.folder, shown_as=prefix, installed=installation.installed(tx))
        faults = source.errors
        if faults:
            raise UsageError(
                f"pack '{source.manifest.ref}' has faults",
                details=[Detail(one.place, one.said) for one in faults],
            )
        try:
            installation.install(tx, pack, source, home=home, sealer=sealer, upgrade=False, dependencies=True)
        except ConflictError as error:
            if error.code == "pack_installed":
                return None
            raise
        return source.manifest.ref


def pack_document(tx: Transaction, ref: str) -> Document | None:
    """Return what a pack brings, each thing with a sum of what it says; None when there is no such pack."""
    pack = packs.get(tx, ref)
    if pack is None:
        return None
    brought = [
        f"{kind} {row.ref} {_sum(row.definition)}"
        for kind in KINDS
        for row in definitions.all_of(tx, kind, pack_ref=ref)
        if not row.is_adhoc
    ]
    return {"ref": ref, "version": pack.version, "folder": pack.link, "brings": brought}


def _sum(definition: Document) -> str:
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:8]
