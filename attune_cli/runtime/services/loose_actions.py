"""Actions and workflows that are not installed: the YAML file of one in a pack folder, a workflow's also elsewhere."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from attune_cli.errors import Detail, NotFoundError, UsageError, nearest
from attune_cli.runtime.model.actions import ActionDefinition, RuntimeDefinition
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.packs.documents import DocumentError, parse_document
from attune_cli.runtime.packs.source import MANIFEST_NAMES, PackSource, read_lone_workflow, read_pack
from attune_cli.runtime.services import installation
from attune_cli.runtime.services.submission import job_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.packs.reading import Installed
    from attune_cli.runtime.store.database import Transaction

_FOLDERS = ("actions", "workflows", "actions/workflows")
"""Where in a pack files lie that can be run."""


@immutable
class LooseAction:
    """What one file of a pack's folder defines; of a workflow also its graph."""

    source: PackSource
    action: ActionDefinition
    workflow: WorkflowDefinition | None
    warnings: list[str]
    """What the file should not say."""


def read_loose_action(path: Path, installed: Installed | None = None) -> LooseAction:
    """Read `PACK/actions/NAME.yaml` or any workflow's file; without what is `installed` it needs no database.

    Raises NotFoundError when there is no file, UsageError with every fault of it and of the graph that it names.
    """
    if not path.is_file():
        raise NotFoundError(f"no file {str(path)!r}")
    path = path.absolute()
    folder = _pack_of(path)
    source = (
        read_lone_workflow(path, installed=installed)
        if folder is None
        else read_pack(folder, installed=installed)
    )
    hint = "attune schema workflow" if folder is None else f"attune pack validate {folder}"
    within = str(path.relative_to(source.folder))
    refs = {ref for (_, ref), place in source.places.items() if place == within}
    action = next((one for one in source.of(ActionDefinition) if one.ref in refs), None)
    meant = {within, *([action.workflow_file] if action and action.workflow_file else ()), *MANIFEST_NAMES}
    faults = [finding for finding in source.errors if finding.path in meant]
    if faults:
        raise UsageError(
            f"{path} cannot be run",
            code="invalid_file",
            details=[Detail(one.place, one.said) for one in faults],
            hint=hint,
        )
    if action is None:
        raise UsageError(f"{path} defines no action", hint=hint)
    workflow = next((one for one in source.of(WorkflowDefinition) if one.ref == action.ref), None)
    warnings = [str(one) for one in source.findings if one.path in meant and one.severity == "warning"]
    return LooseAction(source, action, workflow, warnings)


def job_of_action_file(tx: Transaction, path: Path) -> tuple[JobDefinition, list[str]]:
    """Return the job of a file, and what that should not say; raises as `read_loose_action`.

    The tasks of a workflow run what is installed: only its graph is taken from the file.
    """
    loose = read_loose_action(path, replace(installation.installed(tx), is_final=True))
    runtimes = {runtime.ref: runtime for runtime in loose.source.of(RuntimeDefinition)}
    definition = job_of(tx, loose.action, runtimes=runtimes, workflow=loose.workflow)
    alone = loose.workflow is None
    return replace(
        definition, folder=str(loose.source.folder), pack_digest=None, caller_environment=alone
    ), loose.warnings


def _pack_of(path: Path) -> Path | None:
    """Return the folder of the pack that a file is part of; None for a workflow that is part of none."""
    for folder in path.parents:
        if any((folder / name).is_file() for name in MANIFEST_NAMES):
            if str(path.parent.relative_to(folder)) in _FOLDERS:
                return folder
            break
    if _is_action(path):
        raise UsageError(
            f"{path} lies in no pack, and is no workflow, which has 'tasks': "
            "an action's YAML is looked for in the actions/ folder of a pack",
            hint="attune pack new demo",
        )
    return None


def _is_action(path: Path) -> bool:
    """Tell a document without tasks, also misspelt; one that cannot be read may have some."""
    with suppress(DocumentError, OSError):
        value = parse_document(path.read_bytes()).value
        return not (
            isinstance(value, dict) and nearest("tasks", map(str, cast("dict[object, object]", value)))
        )
    return False
