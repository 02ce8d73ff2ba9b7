"""`attune pack config` and `attune pack env`."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attune_cli.context import progress
from attune_cli.errors import AttuneError, CancelledError, UsageError, did_you_mean
from attune_cli.output import Column, Section
from attune_cli.reading.parameters import ParameterReader
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import connect_again, open_store, open_store_for_reading, registry_credentials
from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.packs.environments import build_environment, delete_environments
from attune_cli.runtime.packs.interpreters import Interpreters
from attune_cli.runtime.services import pack_config, packs
from attune_cli.runtime.services.container_environments import ContainerEnvironments, container_needs
from attune_cli.runtime.services.environments import needs, outdated
from attune_cli.runtime.store.identity import home_id
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.services.container_environments import ContainerNeed
    from attune_cli.runtime.services.environments import Need
    from attune_cli.runtime.store.packs import Pack

CONFIG_COLUMNS = (Column("Pack", "ref"),)
CONFIG_SECTIONS = (Section("Values", "config"), Section("Missing", "missing"))
ENVIRONMENT_VERBS = ("show", "build", "delete")
ENVIRONMENT_COLUMNS = (
    Column("PACK", "ref"),
    Column("RUNTIME", "runtime_ref"),
    Column("STATE", "state", kind="status"),
    Column("INTERPRETER", "interpreter"),
    Column("FOLDER", "folder"),
    Column("FORM", "form"),
)


# --- config


def configure(context: Context, ref: str, verb: str, items: Sequence[str]) -> None:
    """Show, set or edit the values of a pack; secret ones are never shown."""
    if verb == "show":
        store = open_store_for_reading(context.home, context.settings)
        with store.read(SystemClock().now()) as tx:
            record = pack_config.config_record(packs.find(tx, ref))
        context.out.record(record, CONFIG_COLUMNS, CONFIG_SECTIONS)
        return
    if verb not in {"set", "edit"}:
        raise UsageError(
            f"no verb '{verb}': show, set or edit", hint=did_you_mean(verb, ("show", "set", "edit"))
        )
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        pack = packs.find(tx, ref)
    changes = _read_items(context, pack, items) if verb == "set" else _edit(context, pack)
    if context.dry_run:
        context.out.note(f"would set {', '.join(changes) or 'nothing'}")
        return
    with store.write(SystemClock().now()) as tx:
        pack_config.set_values(tx, packs.find(tx, ref), changes, Sealer(context.home.secret_key))
        record = pack_config.config_record(packs.find(tx, ref))
    context.out.note(f"pack {ref} configured")
    context.out.record(record, CONFIG_COLUMNS, CONFIG_SECTIONS)


def _read_items(context: Context, pack: Pack, items: Sequence[str]) -> dict[str, Any]:
    if not items:
        raise UsageError("nothing to set", hint=f"attune pack config {pack.ref} set NAME=VALUE")
    reader = ParameterReader(PackManifest.from_json(pack.manifest).conf_schema)
    reader.read_items(items)
    if reader.faults:
        raise UsageError("values cannot be read", code="invalid_config", details=reader.faults)
    for warning in reader.warnings:
        context.out.warning(warning)
    return reader.values


def _edit(context: Context, pack: Pack) -> dict[str, Any]:
    """Open the values in an editor as YAML; a redacted secret that is left as it is stays what it was."""
    import yaml

    from attune_cli.runtime.runners.yaml_values import read_yaml

    if not context.interactive:
        raise UsageError("an editor needs a terminal", hint=f"attune pack config {pack.ref} set NAME=VALUE")
    before = pack.config
    with tempfile.NamedTemporaryFile("w+", suffix=".yaml", encoding="utf-8") as file:
        file.write(yaml.safe_dump(before, allow_unicode=True, sort_keys=False) if before else "")
        file.flush()
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        if subprocess.run([*shlex.split(editor), file.name], check=False).returncode != 0:
            raise CancelledError(f"{editor} ended badly; nothing changed", code="declined")
        try:
            after: Any = read_yaml(Path(file.name).read_text("utf-8")) or {}
        except (ValueError, RecursionError) as error:
            raise UsageError(f"that is no YAML, nothing changed: {error}") from error
    if not isinstance(after, dict):
        raise UsageError("that is no mapping of names to values, nothing changed")
    edited = cast("dict[str, Any]", after)
    removed = dict.fromkeys(name for name in before if name not in edited)
    return {**removed, **{name: value for name, value in edited.items() if value != before.get(name)}}


# --- environments


def look_after_environments(context: Context, refs: Sequence[str], verb: str, *, everything: bool) -> int:
    """Show, build or delete the environments of packs; returns 1 when one cannot be built."""
    interpreters = Interpreters(context.home.environments / "interpreters.json")
    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        if everything:
            refs = [record["ref"] for record in packs.list_packs(tx)]
        found = {ref: needs(tx, ref, home=context.home, interpreters=interpreters) for ref in refs}
        contained = [need for ref in refs for need in container_needs(tx, ref, context.home)]
    if not found:
        raise UsageError("no pack named", hint="attune pack env REF, or --all")
    if verb == "delete":
        _delete(context, list(found))
        return 0
    faults = _build(context, found) if verb == "build" else 0
    records = [need.to_record() for ref in found for need in found[ref]]
    if contained:
        more, faulty = _containers(context, contained, build=verb == "build")
        records += more
        faults += faulty
    for ref, its in found.items():
        records += [_outdated_record(ref, str(path)) for path in outdated(its, ref, context.home)]
    context.out.records(records, ENVIRONMENT_COLUMNS)
    if verb == "show":
        for fault in dict.fromkeys(record["fault"] for record in records if record["fault"]):
            context.out.warning(fault)
    return 1 if faults else 0


def _build(context: Context, found: dict[str, list[Need]]) -> int:
    """Build what is missing, and go on when one fails; returns how many did."""
    faults = 0
    for need in (need for its in found.values() for need in its):
        environment = need.toolchain.environment if need.toolchain else None
        try:
            if need.fault:
                raise UsageError(f"{need.pack_ref}: {need.fault}")
            if environment and not context.dry_run:
                with progress(context, f"building {environment.folder.name}") as report:
                    build_environment(environment, report=report)
        except AttuneError as error:
            faults += 1
            _tell(context, error)
    return faults


def _tell(context: Context, error: AttuneError) -> None:
    """Say what could not be made, and what may help."""
    context.out.warning(error.message)
    for detail in error.details:
        context.out.note(f"  {detail.message}")
    if error.hint:
        context.out.note(f"hint: {error.hint}")


def _containers(
    context: Context, contained: list[ContainerNeed], *, build: bool
) -> tuple[list[dict[str, Any]], int]:
    """Return records of the images that actions run in, made first where asked; and how many could not be made."""
    faults = 0
    with closing(_container_environments(context)) as environments:
        for need in contained if build and not context.dry_run else ():
            try:
                with progress(context, f"making images of {need.pack_ref}") as report:
                    environments.build(need, report=report)
            except AttuneError as error:
                faults += 1
                _tell(context, error)
        return [record for need in contained for record in environments.records(need)], faults


def _container_environments(context: Context) -> ContainerEnvironments:
    with closing(connect_again(context.home, context.settings)) as store:
        own_id = home_id(store.connection) or ""
    return ContainerEnvironments(
        context.home,
        own_id,
        context.settings,
        os.environ,
        lambda registry: registry_credentials(context.home, context.settings, registry),
    )


def _delete(context: Context, refs: list[str]) -> None:
    if context.dry_run:
        context.out.note(f"would delete the environments of {', '.join(refs)}")
        return
    gone = [str(folder) for ref in refs for folder in delete_environments(context.home, ref)]
    if context.home.containers.is_dir():
        with closing(_container_environments(context)) as environments:
            for ref in refs:
                deleted, kept = environments.delete(ref)
                gone += deleted
                for name in kept:
                    context.out.warning(f"{name} is in use by a container, and stays")
    context.out.outcome({"deleted": gone}, gone)


def _outdated_record(ref: str, folder: str) -> dict[str, Any]:
    return {
        "kind": "environment",
        "ref": ref,
        "runtime_ref": None,
        "form": "environment",
        "state": "outdated",
        "interpreter": None,
        "manifest": None,
        "folder": folder,
        "fault": None,
    }
