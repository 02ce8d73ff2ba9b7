"""Putting packs in and taking them out, everything or nothing (domain.md 1)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from attune_cli import __version__
from attune_cli.errors import ConflictError, Detail, NotFoundError, UsageError
from attune_cli.runtime.model.actions import ActionDefinition, RuntimeDefinition
from attune_cli.runtime.model.automations import RuleDefinition
from attune_cli.runtime.model.versions import Requirement, Version, parse_requirement, parse_version
from attune_cli.runtime.packs.reading import Installed
from attune_cli.runtime.packs.source import core_pack_folder, place_of_fault, read_pack, runtime_names
from attune_cli.runtime.packs.staging import StagedPack, forget_content, place, staged
from attune_cli.runtime.services import pack_config
from attune_cli.runtime.services.packs import find
from attune_cli.runtime.services.rule_checks import check_rule
from attune_cli.runtime.store import definitions, packs
from attune_cli.runtime.store.definitions import KINDS
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.config import Home
    from attune_cli.runtime.model.automations import Definition
    from attune_cli.runtime.model.definitions import PackManifest
    from attune_cli.runtime.packs.source import PackSource
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Kind
    from attune_cli.runtime.store.packs import Pack
    from attune_cli.runtime.store.sealing import Sealer

CORE = "core"

_SHOWN_EXECUTIONS = 5


def installed(tx: Transaction) -> Installed:
    """Say what the installed packs offer to one that is read now."""
    runtimes = [RuntimeDefinition.from_json(row.definition) for row in definitions.all_of(tx, "runtime")]
    return Installed(
        packs=frozenset(pack.ref for pack in packs.all_packs(tx)),
        refs={kind: frozenset(definitions.refs(tx, kind)) for kind in KINDS},
        runtime_names=runtime_names(runtimes),
        is_complete=True,
        outputs={row.ref: row.definition["output"] for row in definitions.all_of(tx, "trigger")},
        actions={
            row.ref: ActionDefinition.from_json(row.definition) for row in definitions.all_of(tx, "action")
        },
    )


# --- checking, before anything is changed


def refuse_faults(source: PackSource) -> None:
    """Raise UsageError with every error of a pack that was read."""
    if not source.errors:
        return
    count = len(source.errors)
    raise UsageError(
        f"pack '{source.manifest.ref}' has {count} fault{'' if count == 1 else 's'}; nothing was installed",
        code="pack_faulty",
        details=[Detail(fault.place, fault.said) for fault in source.errors],
        hint="attune pack validate PATH",
    )


def refuse_conflict(tx: Transaction, manifest: PackManifest, pack: StagedPack, *, upgrade: bool) -> None:
    """Raise ConflictError when the pack is installed and is not to be replaced. A link may always be renewed."""
    present = packs.get(tx, manifest.ref)
    if present is None or upgrade:
        return
    if pack.link is not None and present.link == str(pack.link):
        return
    raise ConflictError(
        f"pack '{manifest.ref}' {present.version} is installed already",
        code="pack_installed",
        hint=f"attune pack install {pack.source} --upgrade",
    )


def refuse_dependencies(tx: Transaction, manifest: PackManifest) -> None:
    """Raise for packs that are needed and missing (NotFoundError), or have another version (ConflictError).

    The other way round too: packs that need this one must be content with its new version.
    """
    present = {pack.ref: _version(pack.version) for pack in packs.all_packs(tx)}
    needed = [parse_requirement(text) for text in manifest.dependencies]
    missing = [Detail(str(one), "not installed") for one in needed if one.name not in present]
    if missing:
        raise NotFoundError(
            f"pack '{manifest.ref}' needs packs that are not installed",
            code="dependency_missing",
            details=missing,
            hint="attune pack install SOURCE, or --no-deps to install it without them",
        )
    unfit = [
        Detail(str(one), f"{present[one.name]} is installed")
        for one in needed
        if not one.constraint.allows(present[one.name])
    ]
    unfit += _unfit_dependents(tx, manifest)
    if unfit:
        raise ConflictError(
            f"pack '{manifest.ref}' {manifest.version} does not fit the packs that are installed",
            code="dependency_version",
            details=unfit,
            hint="attune pack upgrade REF, or --no-deps to install it all the same",
        )


def _unfit_dependents(tx: Transaction, manifest: PackManifest) -> list[Detail]:
    version = _version(manifest.version)
    return [
        Detail(pack.ref, f"needs {requirement}")
        for pack in packs.all_packs(tx)
        for requirement in _needs(pack)
        if requirement.name == manifest.ref and not requirement.constraint.allows(version)
    ]


def _needs(pack: Pack) -> list[Requirement]:
    written = cast("list[str]", pack.manifest.get("dependencies") or [])
    return [parse_requirement(text) for text in written]


def _version(text: str) -> Version:
    try:
        return parse_version(text)
    except ValueError:
        return Version(0, 0, 0)


# --- putting in


@immutable
class Installation:
    """What an installation did: `before` is the version that was replaced, `left_out` why rules are not in it."""

    ref: str
    version: str
    before: str | None
    folder: str
    left_out: Sequence[Detail] = ()


def install(
    tx: Transaction,
    pack: StagedPack,
    source: PackSource,
    *,
    home: Home,
    sealer: Sealer,
    upgrade: bool = False,
    dependencies: bool = True,
    lenient: bool = False,
) -> Installation:
    """Put a pack in: its content into its place, its definitions into the store, all in this transaction.

    `lenient` leaves out the rules that do not fit what is installed, instead of the pack.

    Raises ConflictError for a pack that is there already (unless `upgrade`), and for what does not fit.
    """
    refuse_faults(source)
    manifest = source.manifest
    refuse_conflict(tx, manifest, pack, upgrade=upgrade)
    if dependencies:
        refuse_dependencies(tx, manifest)
    present = packs.get(tx, manifest.ref)
    _store(tx, pack, source)
    faulty = _faulty_rules(tx, source)
    if faulty and not lenient:
        _refuse_faulty_rules(manifest, faulty)
    for ref in {ref for ref, _ in faulty}:
        definitions.delete(tx, "rule", ref)
    folder = place(pack, home, manifest.ref)
    if present is None:
        pack_config.begin(tx, manifest, sealer)
    else:
        pack_config.carry_over(tx, present, manifest, sealer)
    before = present.version if present else None
    return Installation(manifest.ref, manifest.version, before, str(folder), [fault for _, fault in faulty])


def _store(tx: Transaction, pack: StagedPack, source: PackSource) -> None:
    manifest = source.manifest
    pack_id = packs.upsert(
        tx,
        ref=manifest.ref,
        label=manifest.label,
        version=manifest.version,
        description=manifest.description,
        digest=pack.digest,
        link=None if pack.link is None else str(pack.link),
        source=pack.source,
        manifest=pack_config.without_secrets(manifest),
        is_standard=manifest.is_standard,
    )
    for kind in KINDS:
        for definition in source.definitions[kind]:
            _store_definition(tx, kind, pack_id, definition)
        refs = [definition.ref for definition in source.definitions[kind]]
        definitions.delete_others(tx, kind, pack=pack_id, keep=refs)


def _faulty_rules(tx: Transaction, source: PackSource) -> list[tuple[str, Detail]]:
    """Return every fault of the pack's rules against what is installed, this pack included, with the rule's ref."""
    return [
        (
            rule.ref,
            Detail(
                place_of_fault(source, "rule", rule.ref, fault), f"'{fault.path}': {fault.said}", fault.value
            ),
        )
        for rule in source.of(RuleDefinition)
        for fault in check_rule(tx, rule, is_own=False)
    ]


def _refuse_faulty_rules(manifest: PackManifest, faulty: list[tuple[str, Detail]]) -> None:
    count = "a fault" if len(faulty) == 1 else f"{len(faulty)} faults"
    raise UsageError(
        f"the rules of pack '{manifest.ref}' have {count}; nothing was installed",
        code="pack_faulty",
        details=[fault for _, fault in faulty],
        hint="attune action show REF",
    )


def _store_definition(tx: Transaction, kind: Kind, pack_id: int, definition: Definition) -> None:
    label = definition.name if isinstance(definition, RuntimeDefinition) else definition.label
    definitions.upsert(
        tx,
        kind,
        pack=pack_id,
        ref=definition.ref,
        label=label,
        description=definition.description,
        definition=definition.to_json(),
    )


def sweep(tx: Transaction, ref: str, *, home: Home) -> None:
    """Delete content of a pack that neither its row nor a running execution names.

    In a transaction of its own after the one that made it useless: what is not committed may come back.
    """
    pack = packs.get(tx, ref)
    keep = packs.live_digests(tx, ref) | ({pack.digest} if pack else set[str]())
    forget_content(home, ref, keep=keep)


# --- taking out


def uninstall(
    tx: Transaction, ref: str, *, keep_keys: bool = False, together_with: frozenset[str] = frozenset()
) -> None:
    """Delete a pack and all it defines, and the keys it owns; its content goes with the next `sweep`.

    Raises ConflictError while its actions run, or a pack that is not going with it needs it.
    """
    pack = find(tx, ref)
    if ref == CORE:
        raise ConflictError("pack 'core' belongs to attune itself", code="core_pack", hint="attune pack list")
    running = packs.live_executions(tx, ref)
    if running:
        raise ConflictError(
            f"pack '{ref}' is in use by {len(running)} execution{'' if len(running) == 1 else 's'}",
            code="pack_in_use",
            details=[Detail(str(execution), "not over yet") for execution in running[:_SHOWN_EXECUTIONS]],
            hint="attune execution cancel " + " ".join(map(str, running[:_SHOWN_EXECUTIONS])),
        )
    dependents = [
        one.ref
        for one in packs.all_packs(tx)
        if one.ref not in together_with and any(need.name == ref for need in _needs(one))
    ]
    if dependents:
        raise ConflictError(
            f"pack '{ref}' is needed by {', '.join(dependents)}",
            code="pack_needed",
            hint=f"attune pack uninstall {' '.join(dependents)}",
        )
    packs.delete(tx, pack.id)
    if not keep_keys:
        packs.delete_keys(tx, ref)


# --- the core pack


def install_core_pack(tx: Transaction, *, home: Home) -> None:
    """Put the shipped core pack in, or bring it up to this version of attune.

    Where the home is not there (a reading command in an empty place) only the store learns of it.
    """
    with staged(str(core_pack_folder()), home, link=True) as shipped:
        source = read_pack(shipped.folder, installed=Installed())
        refuse_faults(source)
        pack = StagedPack(shipped.folder, shipped.digest, core_source())
        _store(tx, pack, source)
    if home.packs.is_dir() and os.access(home.packs, os.W_OK):
        with staged(str(core_pack_folder()), home) as copied:
            place(copied, home, CORE)


def core_source() -> str:
    """Return what the core pack's row says of its origin; another text means that it is another version's."""
    return f"attune {__version__}"
