"""A pack's configuration: own values over the schema's defaults, secret ones sealed (domain.md 1.2, 7)."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from attune_cli.errors import UsageError
from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.model.parameters import prepare, secret_pointers
from attune_cli.runtime.model.pointers import put_at, put_back, value_at
from attune_cli.runtime.store import packs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.errors import Detail
    from attune_cli.runtime.model.actions import Schema
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.packs import Pack
    from attune_cli.runtime.store.sealing import Sealer

Values = dict[str, Any]


def begin(tx: Transaction, manifest: PackManifest, sealer: Sealer) -> None:
    """Give a new pack the values its manifest brings."""
    pack = packs.get(tx, manifest.ref)
    if pack is not None and manifest.config:
        _write(tx, pack, manifest.conf_schema, manifest.config, sealer)


def carry_over(tx: Transaction, before: Pack, manifest: PackManifest, sealer: Sealer) -> None:
    """Keep the values of a pack that is replaced; what its new schema calls secret is sealed from now on."""
    if before.config and _schema(before) != manifest.conf_schema:
        _write(tx, before, manifest.conf_schema, own_values(before, sealer), sealer)


def without_secrets(manifest: PackManifest) -> Values:
    """Return the manifest as it may be stored in the clear."""
    return {**manifest.to_json(), "config": _redacted(manifest.conf_schema, manifest.config)}


def own_values(pack: Pack, sealer: Sealer) -> Values:
    """Return the values that were set, secret ones in the clear."""
    values = deepcopy(pack.config)
    if pack.sealed is not None:
        put_back(values, sealer.unseal(pack.sealed))
    return values


def values(pack: Pack, sealer: Sealer) -> Values:
    """Return the configuration as rules and actions see it: own values over the schema's defaults."""
    return prepare(_schema(pack), own_values(pack, sealer))[0]


def config_record(pack: Pack) -> Values:
    """Return what may be shown: values with defaults, secrets redacted, and which required ones are missing."""
    schema = _schema(pack)
    shown = _redacted(schema, prepare(schema, pack.config)[0])
    missing = [name for name, leaf in schema.items() if leaf.get("required") and shown.get(name) is None]
    return {
        "kind": "pack_config",
        "ref": pack.ref,
        "config": shown,
        "missing": missing,
        "conf_schema": schema,
    }


def set_values(tx: Transaction, pack: Pack, changes: Mapping[str, Any], sealer: Sealer) -> None:
    """Set some values, null removing one; raises UsageError with every value that does not fit the schema."""
    schema = _schema(pack)
    merged = {**own_values(pack, sealer), **changes}
    faults = [fault for fault in prepare(schema, merged)[1] if not _is_missing(fault, merged)]
    if faults:
        raise UsageError(
            f"{len(faults)} value{'' if len(faults) == 1 else 's'} of pack '{pack.ref}' do not fit its schema",
            code="invalid_config",
            details=faults,
            hint=f"attune pack config {pack.ref} show",
        )
    kept = {name: value for name, value in merged.items() if value is not None}
    _write(tx, pack, schema, kept, sealer)


def _is_missing(fault: Detail, merged: Values) -> bool:
    """Tell a required value that was not given yet from one that does not fit: values are set one by one."""
    return merged.get(fault.path) is None and fault.message.startswith("required")


def _schema(pack: Pack) -> Schema:
    return PackManifest.from_json(pack.manifest).conf_schema


def _redacted(schema: Schema, given: Values) -> Values:
    shown = deepcopy(given)
    for pointer in secret_pointers(schema, shown):
        put_at(shown, pointer, dict(REDACTED))
    return shown


def _write(tx: Transaction, pack: Pack, schema: Schema, given: Values, sealer: Sealer) -> None:
    hidden = {pointer: value_at(given, pointer) for pointer in secret_pointers(schema, given)}
    sealed = sealer.seal(hidden) if hidden else None
    packs.set_config(tx, pack.id, config=_redacted(schema, given), sealed=sealed)
