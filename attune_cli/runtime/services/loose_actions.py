"""Actions that are not installed: the YAML file of one in a pack folder, for `attune run file`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from attune_cli.errors import Detail, UsageError
from attune_cli.runtime.model.actions import ActionDefinition, RuntimeDefinition
from attune_cli.runtime.model.refs import qualify
from attune_cli.runtime.packs.documents import DocumentError, parse_document
from attune_cli.runtime.packs.source import MANIFEST_NAMES, read_pack
from attune_cli.runtime.services.submission import job_of

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.store.database import Transaction


def job_of_action_file(tx: Transaction, path: Path) -> tuple[JobDefinition, list[str]]:
    """Return the job of `PACK/actions/NAME.yaml`, and what its file should not say.

    Raises UsageError with every fault of that file.
    """
    path = path.absolute()
    folder = path.parent.parent
    if path.parent.name != "actions" or not any((folder / name).is_file() for name in MANIFEST_NAMES):
        raise UsageError(
            f"{path} lies in no pack: an action's YAML is looked for in the actions/ folder of one",
            hint="attune pack new demo",
        )
    source = read_pack(folder)
    within = str(path.relative_to(folder))
    faults = [finding for finding in source.errors if finding.path in {within, *MANIFEST_NAMES}]
    if faults:
        raise UsageError(
            f"{path} cannot be run",
            code="invalid_file",
            details=[Detail(f"{one.path}:{one.line}:{one.column}", one.message) for one in faults],
            hint=f"attune pack validate {folder}",
        )
    ref = _ref_of(path, source.manifest.ref)
    action = next((one for one in source.of(ActionDefinition) if one.ref == ref), None)
    if action is None:
        raise UsageError(f"{path} defines no action", hint=f"attune pack validate {folder}")
    runtimes = {runtime.ref: runtime for runtime in source.of(RuntimeDefinition)}
    definition = job_of(tx, action, runtimes=runtimes)
    warnings = [str(one) for one in source.findings if one.path == within and one.severity == "warning"]
    return replace(definition, folder=str(folder), pack_digest=None, caller_environment=True), warnings


def _ref_of(path: Path, pack_ref: str) -> str | None:
    try:
        document = parse_document(path.read_bytes()).value
    except DocumentError:
        return None
    ref = cast("dict[str, object]", document).get("ref") if isinstance(document, dict) else None
    return qualify(ref, pack_ref) if isinstance(ref, str) else None
